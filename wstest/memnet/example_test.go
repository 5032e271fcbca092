package memnet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// A Write waits when the buffer is full, as on a socket: here until its deadline.
func ExamplePipe() {
	a, b := memnet.Pipe(4)
	_ = a.SetWriteDeadline(time.Now().Add(time.Millisecond))
	n, err := a.Write([]byte("hello"))
	fmt.Println(n, errors.Is(err, os.ErrDeadlineExceeded))

	_ = a.Close()
	got, _ := io.ReadAll(b)
	fmt.Printf("%s\n", got)
	// Output:
	// 4 true
	// hell
}

// A server accepts the connections that its clients dial.
func ExampleListener() {
	l := memnet.Listen()
	go func() { // ends with l
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "you said "+line)
			_ = c.Close()
		}
	}()
	c, _ := l.Dial(context.Background())
	_, _ = io.WriteString(c, "hello\n")
	answer, _ := io.ReadAll(c)
	fmt.Printf("%s", answer)
	_ = l.Close()
	// Output: you said hello
}

// A cut behind some bytes: the peer gets those, and then a reset.
func ExampleConn_CutAfter() {
	a, b := memnet.Pipe(0)
	a.CutAfter(4)
	n, err := a.Write([]byte("hello"))
	fmt.Println(n, errors.Is(err, syscall.ECONNRESET))
	got, err := io.ReadAll(b)
	fmt.Printf("%s %v\n", got, errors.Is(err, syscall.ECONNRESET))
	// Output:
	// 4 true
	// hell true
}

// Bytes that come one at a time, as on a bad line.
func ExampleConn_Chunk() {
	a, b := memnet.Pipe(0)
	a.Chunk(1)
	_, _ = a.Write([]byte("hi"))
	buf := make([]byte, 16)
	n, _ := b.Read(buf)
	fmt.Printf("%s\n", buf[:n])
	// Output: h
}
