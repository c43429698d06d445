# server.rb ADDRESS PORT FILE: see app_languages.py.
require 'digest'
require 'webrick'

address, port, file = ARGV
server = WEBrick::HTTPServer.new(BindAddress: address, Port: port.to_i, AccessLog: [])
server.mount_proc '/' do |request, response|
  response.body = if request.request_method == 'GET'
                    File.binread(file)
                  else
                    Digest::SHA256.hexdigest(request.body)
                  end
end
trap('TERM') { server.shutdown }
server.start
