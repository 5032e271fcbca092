# What the battery tells a peer to do, for programs in Ruby over EventMachine. See battery.go.
#
# A peer of a library has the methods
#
#   text(string), binary(string), close(code, reason)
#   ping(string) { after the pong }     } may be missing
#   pause, resume                       } stop and start reading
#   full?                               } true while the library has enough to send
require 'eventmachine'
require 'json'
require 'socket'

SUBPROTOCOL = 'battery.wsstream'

def say(event)
  $stdout.puts(JSON.generate(event))
  $stdout.flush
end

# An Obedient echoes and does as it is told. The program calls received and ended.
class Obedient
  def initialize(peer)
    @peer = peer
    @over = false
    @sunk = nil
  end

  # A text is in UTF-8, and bytes are in the encoding BINARY.
  def received(message)
    if message.encoding == Encoding::BINARY
      @sunk ? sink(message) : @peer.binary(message)
    elsif @sunk
      @peer.text("!sunk #{@sunk}")
      @sunk = nil
    elsif message.start_with?('!')
      order(*message[1..].split(' ', 3))
    else
      @peer.text(message)
    end
  end

  def ended(code, reason)
    @over = true
    say(closed: { code: code || 1006, reason: reason.to_s.dup.force_encoding('UTF-8') })
  end

  private

  def order(verb, first = nil, second = nil)
    if verb == 'close'
      @peer.close(first.to_i, second)
    elsif verb == 'ping' && @peer.respond_to?(:ping)
      @peer.ping(first) { @peer.text("!pong #{first}") }
    elsif verb == 'flood'
      flood(0, first.to_i, second.to_i)
    elsif verb == 'sink'
      @sunk = 0
      @peer.pause if @peer.respond_to?(:pause)
      EM.add_timer(first.to_i / 1000.0) { @peer.resume if @peer.respond_to?(:resume) }
    else
      @peer.text('!no')
    end
  end

  def flood(i, count, size)
    return if @over
    while i < count
      if @peer.respond_to?(:full?) && @peer.full?
        return EM.add_timer(0.01) { flood(i, count, size) }
      end
      @peer.binary([i].pack('N').ljust(size, "\0"))
      i += 1
      say(sent: i) if i <= 8 || i % 8 == 0
    end
    @peer.text('!flooded')
  end

  def sink(message)
    @peer.text("!lost #{@sunk}") if message.unpack1('N') != @sunk
    @sunk += 1
  end
end
