package adapters

import (
	"fmt"
	"net"
	"net/rpc"
)

type arith struct{}

// Operands are what Divide takes.
type Operands struct{ A, B int }

// Divide is a method that net/rpc can call.
func (arith) Divide(o Operands, quotient *int) error {
	if o.B == 0 {
		return fmt.Errorf("%d is not to be divided by zero", o.A)
	}
	*quotient = o.A / o.B
	return nil
}

// Many concurrent calls over one connection: both rpc.Client and rpc.Server write from several
// goroutines.
func Example_rpc() {
	srv := rpc.NewServer()
	if err := srv.RegisterName("Arith", arith{}); err != nil {
		fmt.Println(err)
		return
	}
	// ServeConn closes nc when the client has hung up
	nc, stop := dial(func(nc net.Conn) { srv.ServeConn(nc) })
	defer stop()

	client := rpc.NewClient(nc)
	defer client.Close()
	var calls []*rpc.Call
	for b := range 4 {
		calls = append(calls, client.Go("Arith.Divide", Operands{12, b}, new(int), nil))
	}
	for _, call := range calls {
		if <-call.Done; call.Error != nil {
			fmt.Println(call.Error)
		} else {
			fmt.Println(*call.Reply.(*int))
		}
	}
	// Output:
	// 12 is not to be divided by zero
	// 12
	// 6
	// 4
}
