# client.rb URL FILE OUT: see app_languages.py.
require 'net/http'

url, file, out = ARGV
uri = URI(url)
threads = 4.times.map do |i|
  Thread.new do
    Net::HTTP.start(uri.hostname, uri.port) do |http|
      File.open("#{out}#{i}", 'wb') do |f|
        http.request_get(uri.path) { |r| r.read_body { |piece| f.write(piece) } }
      end
      http.request_post(uri.path, File.binread(file)).body
    end
  end
end
threads.each { |t| puts t.value }
