// Http server ADDRESS PORT FILE, Http client URL FILE OUT: see app_languages.py.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;

public class Http {
	public static void main(String[] args) throws Exception {
		if (args[0].equals("server"))
			serve(args[1], Integer.parseInt(args[2]), Path.of(args[3]));
		else
			ask(URI.create(args[1]), Path.of(args[2]), args[3]);
	}

	static void serve(String address, int port, Path file) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress(address, port), 20);
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.createContext("/", exchange -> answer(exchange, file));
		server.start();
	}

	static void answer(HttpExchange exchange, Path file) throws IOException {
		try (InputStream in = exchange.getRequestBody(); OutputStream out = exchange.getResponseBody()) {
			byte[] body = in.readAllBytes();
			byte[] reply = exchange.getRequestMethod().equals("GET") ? Files.readAllBytes(file) : hash(body);
			exchange.sendResponseHeaders(200, reply.length);
			out.write(reply);
		}
	}

	static byte[] hash(byte[] body) throws IOException {
		try {
			MessageDigest digest = MessageDigest.getInstance("SHA-256");
			return HexFormat.of().formatHex(digest.digest(body)).getBytes();
		} catch (java.security.NoSuchAlgorithmException e) {
			throw new IOException(e);
		}
	}

	static void ask(URI uri, Path file, String out) throws Exception {
		HttpClient client = HttpClient.newHttpClient();
		HttpRequest get = HttpRequest.newBuilder(uri).build();
		HttpRequest post = HttpRequest.newBuilder(uri)
			.POST(HttpRequest.BodyPublishers.ofFile(file)).build();
		List<CompletableFuture<String>> all = new ArrayList<>();
		for (int i = 0; i < 4; i++)
			all.add(client.sendAsync(get, HttpResponse.BodyHandlers.ofFile(Path.of(out + i)))
				.thenCompose(r -> client.sendAsync(post, HttpResponse.BodyHandlers.ofString()))
				.thenApply(HttpResponse::body));
		for (CompletableFuture<String> one : all)
			System.out.println(one.get());
	}
}
