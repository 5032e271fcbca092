package peer

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// A Peer does an order.
type Peer struct {
	order Order
	in    atomic.Int64
	out   atomic.Int64
	cut   atomic.Int64

	latencies latencies
	consumers consumers

	mu    sync.Mutex
	conns []*conn // guarded by mu
}

// Start starts an order. If the peer is to serve, it returns the address at which it does; else it
// returns when all connections are made.
func Start(o Order) (p *Peer, addr string, err error) {
	p = &Peer{order: o}
	switch o.Shape {
	case Churn:
		for i := range o.InFlight {
			go p.churn(i) // ends with the process
		}
		return p, "", nil
	case Idle, PingPong, Swallow, Flood, Both, Little, Steady, Storm, Consume, Feed:
	default:
		return nil, "", fmt.Errorf("no shape %q", o.Shape)
	}
	if o.Addr != "" {
		return p, "", p.Connect(o.Conns)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	go func() { // ends with the connection it waits for
		c, err := accept(l)
		if err != nil {
			p.cut.Add(1)
			return
		}
		p.run(0, c)
	}()
	return p, l.Addr().String(), nil
}

// Connect makes n more connections. The order runs on each, in a goroutine that ends with it.
func (p *Peer) Connect(n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := len(p.conns)
	p.conns = append(p.conns, make([]*conn, n)...)
	var g errgroup.Group
	g.SetLimit(atOnce)
	switch p.order.Shape {
	case Feed:
		g.SetLimit(1) // which is first matters
	case Storm:
		g.SetLimit(-1)
	}
	for i := first; i < first+n; i++ {
		g.Go(func() error {
			if p.order.Shape == Storm {
				return p.comeBack(i)
			}
			c, err := p.order.dial(i)
			if err != nil {
				return err
			}
			p.conns[i] = c
			go p.run(i, c)
			return nil
		})
	}
	return g.Wait()
}

// run does the order on connection number i.
func (p *Peer) run(i int, c *conn) {
	var err error
	switch p.order.Shape {
	case PingPong:
		err = p.pingPong(c)
	case Swallow:
		err = p.swallow(c)
	case Flood:
		err = p.flood(c)
	case Both:
		go func() { _ = p.swallow(c) }() // ends with the connection, as what follows does
		err = p.flood(c)
	case Little:
		err = p.little(i, c)
	case Steady:
		err = p.steady(i, c)
	case Consume:
		err = p.consume(i, c)
	case Feed:
		if i == 0 {
			err = p.swallowSlowly(c)
		} else {
			err = p.flood(c)
		}
	}
	if err != nil {
		p.cut.Add(1)
	}
}

// State returns how far the order is.
func (p *Peer) State() State {
	s := State{In: p.in.Load(), Out: p.out.Load(), Cut: p.cut.Load()}
	s.P50, s.P99 = Percentiles(p.latencies.take())
	p.consumers.state(&s)
	return s
}
