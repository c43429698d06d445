# shellcheck shell=bash
# Everyday programs as they are, as client and as server.

# ---- HTTP -------------------------------------------------------------------

http_server() {
	mkdir -p www
	data www/file 3M
	start server python3 -m http.server --bind "$ANY" --directory www 8000 2>http.log
	wait_port 8000
}

curl_download() {
	http_server
	client curl -sS -f -o got "http://$URL_SRV:8000/file"
	same www/file got
	client curl -sS -f -o got "http://$URL_SRV:8000/file" -o got2 "http://$URL_SRV:8000/file"
	same www/file got2
	fails 22 client curl -sS -f -o got3 "http://$URL_SRV:8000/nothing"
}
matrix "curl, python http.server" curl_download
six "curl, python http.server" curl_download

curl_upload() {
	data file 3M
	start server python3 "$LIVE/upload.py" 8000 stored
	wait_port 8000
	client curl -sS -f -T file "http://$SRV:8000/stored"
	same file stored
}
matrix "curl upload" curl_upload

wget_download() {
	http_server
	client wget -q -O got "http://$SRV:8000/file"
	same www/file got
}
sides wget wget_download

nginx_conf() {
	mkdir -p www logs
	cat >nginx.conf <<-END
		master_process off;
		daemon off;
		pid $PWD/nginx.pid;
		error_log $PWD/error.log;
		events { worker_connections 4096; }
		http {
			access_log off;
			client_body_temp_path $PWD/logs; proxy_temp_path $PWD/logs;
			fastcgi_temp_path $PWD/logs; uwsgi_temp_path $PWD/logs; scgi_temp_path $PWD/logs;
			sendfile ${1-on};
			server { listen $URL_ANY:8080; root $PWD/www; }
		}
	END
}

nginx_download() {
	nginx_conf "$@"
	data www/file 10M
	start server nginx -p "$PWD" -c "$PWD/nginx.conf"
	wait_port 8080
	client curl -sS -f -o got "http://$URL_SRV:8080/file" -o got2 "http://$URL_SRV:8080/file"
	same www/file got
	same www/file got2
}
matrix "curl, nginx" nginx_download
six "curl, nginx" nginx_download

nginx_no_sendfile() {
	nginx_download off
}
sides "curl, nginx without sendfile" nginx_no_sendfile

nginx_parallel() {
	nginx_conf
	data www/file 200K
	start server nginx -p "$PWD" -c "$PWD/nginx.conf"
	wait_port 8080
	client curl -sS -f --parallel --parallel-max 20 -o 'got#1' "http://$SRV:8080/file?[1-40]"
	for i in $(seq 40); do same www/file "got$i"; done
}
sides "curl, 40 transfers in parallel" nginx_parallel

# ---- nc, ncat, socat ---------------------------------------------------------

nc_openbsd() {
	data file 3M
	start server nc.openbsd -$V -l 9000 >got
	local srv=$STARTED
	wait_port 9000
	client nc.openbsd -N "$SRV" 9000 <file
	finish "$srv"
	same file got
	start server nc.openbsd -$V -l 9001 -N <file
	srv=$STARTED
	wait_port 9001
	client nc.openbsd -d "$SRV" 9001 >got_back
	finish "$srv"
	same file got_back
}
matrix "nc.openbsd, both directions" nc_openbsd
six "nc.openbsd, both directions" nc_openbsd

# It ends when the peer has closed, so one direction at a time.
nc_traditional() {
	data file 3M
	start server nc.traditional -l -p 9000 >got
	local srv=$STARTED
	wait_port 9000
	client nc.traditional -q 0 "$SRV" 9000 <file
	finish "$srv"
	same file got
	start server nc.traditional -l -p 9001 -q 0 <file
	srv=$STARTED
	wait_port 9001
	client nc.traditional "$SRV" 9001 >got_back
	finish "$srv"
	same file got_back
}
sides "nc.traditional, both directions" nc_traditional

nc_scan() {
	start server nc.openbsd -k -l 9000
	wait_port 9000
	client nc.openbsd -z -v "$SRV" 9000
	fails 1 client nc.openbsd -z "$SRV" 9001
	client nc.traditional -z "$SRV" 9000
	fails 1 client nc.traditional -z "$SRV" 9001
}
matrix "nc -z, open and closed port" nc_scan

# The server never answers and never closes: -w ends the client after a second.
nc_wait() {
	start server nc.openbsd -k -l 9000
	wait_port 9000
	local begin=$SECONDS
	client nc.openbsd -w 1 "$SRV" 9000 < <(sleep 5)
	[ $((SECONDS - begin)) -lt 5 ]
}
sides "nc -w" nc_wait

ncat_transfer() {
	data file 3M
	start server ncat -l 9000 --recv-only >got
	local srv=$STARTED
	wait_port 9000
	client ncat --send-only "$SRV" 9000 <file
	finish "$srv"
	same file got
}
matrix ncat ncat_transfer

socat_transfer() {
	data file 3M
	start server socat -u TCP4-LISTEN:9000,reuseaddr CREATE:got
	local srv=$STARTED
	wait_port 9000
	client socat -u OPEN:file "TCP4:$SRV:9000"
	finish "$srv"
	same file got
}
matrix socat socat_transfer

# What comes in goes out again; half-close ends it. In one process socat fills and
# empties the pipe: writes larger than what poll() promises (PIPE_BUF) would let it
# wait for itself.
socat_echo() {
	data file 3M
	start server socat -b 4096 -t 20 TCP4-LISTEN:9000,reuseaddr PIPE
	wait_port 9000
	client socat -t 20 STDIO "TCP4:$SRV:9000" <file >got
	same file got
}
sides "socat, echo with half-close" socat_echo

# ---- Python -----------------------------------------------------------------

asyncio_echo() {
	start server python3 "$LIVE/aecho.py" server 9000 "$ANY"
	wait_port 9000
	client python3 "$LIVE/aecho.py" client "$SRV" 9000 20 100000
}
matrix "asyncio echo, 20 clients" asyncio_echo
six "asyncio echo, 20 clients" asyncio_echo

# ---- measuring programs -----------------------------------------------------

iperf_run() { # ARGS...
	start server iperf3 -s -1 -p 5201 >server.out
	local srv=$STARTED
	wait_port 5201
	client iperf3 -c "$SRV" -p 5201 -n 40M "$@"
	finish "$srv"
}

iperf_one() {
	iperf_run
	iperf_run -R
}
matrix "iperf3, one stream, both directions" iperf_one 60
six "iperf3, one stream, both directions" iperf_one 60

iperf_four() {
	iperf_run -P 4
	iperf_run -P 4 -R
}
matrix "iperf3, four streams, both directions" iperf_four 60

# ---- redis ------------------------------------------------------------------

redis() {
	start server redis-server --port 6379 --save "" --appendonly no --protected-mode no >redis.log
	wait_port 6379
	expect PONG "$(client redis-cli -h "$SRV" ping)"
	data value 1M
	expect OK "$(client redis-cli -h "$SRV" -x set key <value)"
	client redis-cli -h "$SRV" --raw get key >got
	head -c 1M got >got1
	same value got1
	client redis-benchmark -h "$SRV" -q -n 3000 -c 30 -t ping,set,get,lrange_100
	client redis-benchmark -h "$SRV" -q -n 3000 -c 10 -P 16 -t set
}
matrix "redis-server, redis-cli, redis-benchmark" redis 60
