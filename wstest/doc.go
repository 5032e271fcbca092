// Package wstest helps to test what speaks WebSocket.
//
// A [Peer] is a scripted peer: the test says frame by frame what it sends and what it wants to receive, over any
// net.Conn. It follows no protocol by itself: it answers no ping and no Close, and it can send what RFC 6455
// forbids. What it receives it holds to the RFC strictly.
//
//	peer.Send(wstest.Ping("are you there"))
//	peer.Want("the ping is answered", wstest.Pong("are you there"))
//	peer.WantIdle("nothing else was sent")
//
// Everything here runs under testing/synctest.
package wstest
