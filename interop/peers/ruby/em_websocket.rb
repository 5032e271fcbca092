# The battery's peer for em-websocket, which is a server.
require 'em-websocket'
require_relative 'obey'

class Peer
  def initialize(ws)
    @ws = ws
    ws.onpong { @ponged&.call }
  end

  def text(string) = @ws.send_text(string)
  def binary(string) = @ws.send_binary(string)
  def close(code, reason) = @ws.close(code, reason.b)

  def ping(string, &ponged)
    @ponged = ponged
    @ws.ping(string)
  end

  # What follows is EventMachine's: em-websocket has no backpressure of its own.
  def pause = @ws.pause
  def resume = @ws.resume
  def full? = @ws.get_outbound_data_size > 1 << 20
end

EM.run do
  server = EM::WebSocket.start(host: '127.0.0.1', port: 0) do |ws|
    obedient = Obedient.new(Peer.new(ws))
    ws.onmessage { |text| obedient.received(text) }
    ws.onbinary { |bytes| obedient.received(bytes.b) }
    ws.onclose { |event| obedient.ended(event[:code], event[:reason]) }
    ws.onerror { |e| warn e.message }
  end
  port, = Socket.unpack_sockaddr_in(EM.get_sockname(server))
  say(url: "ws://127.0.0.1:#{port}/")
end
