// Package wstest helps to test programs that speak WebSocket.
//
//   - [Pair] returns two connected Conns.
//   - [NewServer] returns an HTTP server for a handler.
//   - [NewPeer] returns a [Peer], which the test scripts frame by frame.
//
// All of them work in memory. Package memnet is the network: its connections have limited buffers,
// deadlines and faults.
//
// A Peer sends the frames that the test names, over any net.Conn, and checks the frames that it
// receives. It does nothing by itself: it answers no ping and no Close. It can send frames that RFC
// 6455 forbids. It accepts only frames that RFC 6455 allows.
//
//	peer.Send(wstest.Ping("are you there"))
//	peer.Want("the ping is answered", wstest.Pong("are you there"))
//	peer.WantIdle("nothing else was sent")
//
// Everything here runs under testing/synctest.
package wstest
