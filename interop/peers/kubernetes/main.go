// Command kubernetes is the client of kubectl exec: client-go's executor over WebSocket. It runs a
// command at the URL that it is given, with its own standard streams, and says how that ended.
package main

import (
	"context"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

func main() {
	executor, err := remotecommand.NewWebSocketExecutor(&rest.Config{Host: os.Args[1]}, "GET", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	err = executor.StreamWithContext(context.Background(), remotecommand.StreamOptions{
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	})
	fmt.Fprintf(os.Stdout, "\n{\"say\":\"ended: %v\"}\n", err)
}
