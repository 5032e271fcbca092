package peer

import (
	"bytes"
	"time"

	"github.com/wsstream/wsstream/bench/internal/frame"
)

// pingPong keeps messages in flight. With one, its time from message to answer is taken.
func (p *Peer) pingPong(c *conn) error {
	one, buf := c.binary(p.order.Size), make([]byte, block)
	switch n := max(1, p.order.InFlight); {
	case n == 1:
		return p.single(c, one, buf)
	case n*len(one) <= block:
		return p.pipeline(c, bytes.Repeat(one, n), n, buf)
	default:
		return p.pipelineApart(c, bytes.Repeat(one, n), n, buf)
	}
}

// pipeline sends all n messages, and then as many as answers came.
func (p *Peer) pipeline(c *conn, all []byte, n int, buf []byte) error {
	size := len(all) / n
	for {
		if _, err := c.Write(all[:n*size]); err != nil {
			return err
		}
		p.out.Add(int64(n))
		for n = 0; n == 0; {
			var err error
			if n, err = c.next(buf); err != nil {
				return err
			}
		}
		p.in.Add(int64(n))
	}
}

// pipelineApart does the same with a goroutine that writes. So many bytes fill all buffers. Then
// the library reads on only after the peer has read from it.
func (p *Peer) pipelineApart(c *conn, all []byte, n int, buf []byte) error {
	may := make(chan int, n)
	defer close(may)
	may <- n
	go func() { // ends with the connection, or with may
		for k := range may {
			if _, err := c.Write(all[:k*len(all)/n]); err != nil {
				return
			}
			p.out.Add(int64(k))
		}
	}()
	for {
		k, err := c.next(buf)
		switch {
		case err != nil:
			return err
		case k > 0:
			p.in.Add(int64(k))
			may <- k
		}
	}
}

func (p *Peer) single(c *conn, one, buf []byte) error {
	for {
		start := time.Now()
		if err := p.ask(c, one, buf); err != nil {
			return err
		}
		p.latencies.add(time.Since(start))
	}
}

// ask sends a message and waits for its answer.
func (p *Peer) ask(c *conn, one, buf []byte) error {
	if _, err := c.Write(one); err != nil {
		return err
	}
	p.out.Add(1)
	for {
		switch n, err := c.next(buf); {
		case err != nil:
			return err
		case n > 0:
			p.in.Add(1)
			return nil
		}
	}
}

func (p *Peer) swallow(c *conn) error {
	for buf := make([]byte, block); ; {
		n, err := c.next(buf)
		if err != nil {
			return err
		}
		p.in.Add(int64(n))
	}
}

func (p *Peer) flood(c *conn) error {
	many, n := frame.Repeat(c.binary(p.order.Size), block)
	for {
		if _, err := c.Write(many); err != nil {
			return err
		}
		p.out.Add(int64(n))
	}
}

// little asks on connection number i once in a while. The connections take turns within that time.
func (p *Peer) little(i int, c *conn) error {
	one, buf := c.binary(p.order.Size), make([]byte, 4<<10)
	first := time.NewTimer(p.order.Every * time.Duration(i) / time.Duration(p.order.Conns))
	<-first.C
	for t := time.NewTicker(p.order.Every); ; <-t.C {
		start := time.Now()
		if err := p.ask(c, one, buf); err != nil {
			return err
		}
		p.latencies.add(time.Since(start))
	}
}

// steady asks on connection number i at a pace, whether or not the answers come in time. A message
// that is late because of the answer before it counts as late.
func (p *Peer) steady(i int, c *conn) error {
	one, buf := c.binary(p.order.Size), make([]byte, 4<<10)
	due := time.Now().Add(p.order.Every * time.Duration(i) / time.Duration(p.order.Conns))
	for wait := time.NewTimer(0); ; due = due.Add(p.order.Every) {
		<-wait.C
		if early := time.Until(due); early > 0 {
			wait.Reset(early)
			<-wait.C
		}
		if err := p.ask(c, one, buf); err != nil {
			return err
		}
		p.latencies.add(time.Since(due))
		wait.Reset(0)
	}
}

// comeBack makes connection number i of a storm at its time, and returns when it is served.
func (p *Peer) comeBack(i int) error {
	<-time.After(p.order.Every * time.Duration(i) / time.Duration(p.order.Conns))
	c, err := p.order.dial(i)
	if err != nil {
		return err
	}
	p.conns[i] = c
	return p.ask(c, c.binary(p.order.Size), make([]byte, 4<<10))
}

// churn makes connections, one after the other, and closes each with a closing handshake.
func (p *Peer) churn(worker int) {
	buf := make([]byte, 4<<10)
	for i := worker; ; i += p.order.InFlight {
		if err := p.once(i, buf); err != nil {
			p.cut.Add(1)
			continue
		}
		p.in.Add(1)
	}
}

func (p *Peer) once(i int, buf []byte) error {
	c, err := p.order.dial(i)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(frame.New(frame.Close, []byte{0x03, 0xe8}, true)); err != nil { // 1000
		return err
	}
	for err == nil { // the server drops the connection (RFC 6455, section 7.1.1)
		_, err = c.next(buf)
	}
	if !c.Closed {
		return err
	}
	return nil
}
