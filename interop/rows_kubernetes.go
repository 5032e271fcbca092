package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/kubernetes"
	"github.com/wsstream/wsstream/interop/trial"
)

var kubernetesPeer = &trial.GoProgram{Package: peersModule + "kubernetes", Module: "peers/kubernetes"}

// kubernetesRows are the client of kubectl exec with a server of ours.
func kubernetesRows() []*trial.Row {
	return []*trial.Row{{
		Name: "kubectl's client (client-go)", Role: trial.Client,
		Needs: []trial.Need{kubernetesPeer},
		Version: func(ctx context.Context) (string, error) {
			return trial.Output(ctx, "env", "-C", kubernetesPeer.Module, "GOWORK=off",
				"go", "list", "-m", "-f", "{{.Version}}", "k8s.io/client-go")
		},
		Run: runKubernetes,
	}}
}

func runKubernetes(t *trial.T) {
	var flooded atomic.Int64 // the messages of a flood that the server has written
	var sunk atomic.Int64    // the bytes that a command has read
	release := make(chan struct{})
	url := strings.Replace(serveHTTP(t, kubernetes.Exec(
		func(_ context.Context, r *http.Request, s kubernetes.Streams) error {
			switch r.URL.Path {
			case "/cat":
				_, err := io.Copy(s.Stdout, s.Stdin)
				return err
			case "/fail":
				_, err := io.WriteString(s.Stderr, "no such file\n")
				return errors.Join(err, errors.New("exit status 1"))
			case "/flood":
				for i := range floodCount {
					piece := binary.BigEndian.AppendUint32(make([]byte, floodSize-4), uint32(i))
					if _, err := s.Stdout.Write(piece); err != nil {
						return err
					}
					flooded.Add(1)
				}
				return nil
			default: // sink
				<-release
				n, err := io.Copy(io.Discard, s.Stdin)
				sunk.Store(n)
				return err
			}
		})), "ws", "http", 1)
	command := func(t *trial.T, path string) *exec.Cmd {
		return exec.CommandContext(t.Context(), kubernetesPeer.Path(), url+path)
	}
	ended := func(end string) string { return "\n{\"say\":\"ended: " + end + "\"}\n" }
	ok := t.Check("standard input and output", func(t *trial.T) {
		c := command(t, "/cat")
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		c.Stdin = bytes.NewReader(sent)
		out, err := c.Output()
		require.NoError(t, err)
		require.True(t, bytes.Equal(append(sent, ended("<nil>")...), out), "%d bytes came back", len(out))
	})
	if !ok {
		return
	}
	t.Check("standard error and a failure", func(t *trial.T) {
		c := command(t, "/fail")
		var said bytes.Buffer
		c.Stderr = &said
		out, err := c.Output()
		require.NoError(t, err)
		require.Equal(t, "no such file\n", said.String())
		require.Contains(t, string(out), "exit status 1")
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		c := command(t, "/flood")
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		t.Note(battery.FloodTo, "%s", stall(t, func() int { return int(flooded.Load()) }))
		all, err := io.ReadAll(out)
		require.NoError(t, err)
		require.NoError(t, c.Wait())
		require.Len(t, all, floodCount*floodSize+len(ended("<nil>")))
		for i := range floodCount {
			require.EqualValues(t, i, binary.BigEndian.Uint32(all[(i+1)*floodSize-4:]))
		}
	})
	t.Check(battery.FloodFrom, func(t *trial.T) {
		c := command(t, "/sink")
		in, err := c.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		var written atomic.Int64
		done := make(chan error, 1)
		go func() { // ends with the flood, or with the program
			for range floodCount {
				if _, err := in.Write(make([]byte, floodSize)); err != nil {
					done <- err
					return
				}
				written.Add(1)
			}
			done <- in.Close()
		}()
		t.Note(battery.FloodFrom, "%s", stall(t, func() int { return int(written.Load()) }))
		close(release)
		require.NoError(t, <-done)
		require.NoError(t, c.Wait())
		require.EqualValues(t, floodCount*floodSize, sunk.Load())
	})
}
