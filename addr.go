package wsstream

import "net"

// LocalAddr is the transport's address at this end. Before the handshake is done, and where the transport has none,
// it is the URL, as an address of the network "websocket".
func (c *Conn) LocalAddr() net.Addr { return c.addr(net.Conn.LocalAddr) }

// RemoteAddr is the transport's address at the peer's end, which may be a proxy's. Before the handshake is done, and
// where the transport has none, it is the URL, as an address of the network "websocket".
func (c *Conn) RemoteAddr() net.Addr { return c.addr(net.Conn.RemoteAddr) }

func (c *Conn) addr(of func(net.Conn) net.Addr) net.Addr {
	if w := c.engine.Load(); w != nil {
		if a := of(w.Transport()); a != nil {
			return a
		}
	}
	return urlAddr(c.url)
}

type urlAddr string

func (urlAddr) Network() string  { return "websocket" }
func (a urlAddr) String() string { return string(a) }
