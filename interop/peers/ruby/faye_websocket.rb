# The battery's peer for faye-websocket: faye_websocket.rb server|client. The server is thin.
require 'faye/websocket'
require 'thin'
require_relative 'obey'

# faye-websocket has no backpressure: it queues what it is told to send, and cannot pause.
class Peer
  def initialize(ws)
    @ws = ws
    obedient = Obedient.new(self)
    ws.on(:message) do |event|
      obedient.received(event.data.is_a?(Array) ? event.data.pack('C*') : event.data.dup)
    end
    ws.on(:close) { |event| obedient.ended(event.code, event.reason) }
    ws.on(:error) { |event| warn event.message }
  end

  def text(string) = @ws.send(string)
  def binary(string) = @ws.send(string.bytes)
  def close(code, reason) = @ws.close(code, reason)
  def ping(string, &ponged) = @ws.ping(string, &ponged)
end

def serve
  Faye::WebSocket.load_adapter('thin')
  app = lambda do |env|
    ws = Faye::WebSocket.new(env, [SUBPROTOCOL])
    Peer.new(ws)
    ws.rack_response
  end
  Thin::Logging.silent = true
  Thin::Server.new('127.0.0.1', 0, app, signals: false).tap do |server|
    server.start
    port, = Socket.unpack_sockaddr_in(EM.get_sockname(server.backend.instance_variable_get(:@signature)))
    say(url: "ws://127.0.0.1:#{port}/")
  end
end

def dial_each
  Thread.new do
    $stdin.each_line do |url|
      EM.next_tick { Peer.new(Faye::WebSocket::Client.new(url.strip, [SUBPROTOCOL])) }
    end
  end
end

EM.run { ARGV[0] == 'server' ? serve : dial_each }
