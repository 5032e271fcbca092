package main

import (
	"errors"
	"net/http"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsstream/wsstream"
)

// A commandServer is a run of wsstream serve.
type commandServer struct {
	*console
	command []string
	flags   acceptFlags

	listen    string
	binary    bool
	static    string
	termAfter time.Duration
	killAfter time.Duration
}

func newServe(c *console) *cobra.Command {
	s := &commandServer{console: c}
	cmd := &cobra.Command{
		Use:   "serve [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a process for each connection",
		Long: `Serve accepts WebSockets, and runs a process for each connection. Each message is a line of
the process's standard input, and each line of its standard output is a text message. With --binary
messages are written as they are, and each piece that is read is sent as a binary message.

While the client does not read, the process blocks in its write. While the process does not read,
the client blocks. The environment of the process describes the request, as that of a CGI program.

When the process ends, the connection is closed: with 1000 after exit status 0, with 4000 plus the
exit status after another one, and with 1011 after a signal. If the client closes in order, the
standard input ends. If the process then does not end, it gets SIGTERM and at last SIGKILL. If the
connection is lost, it gets SIGTERM immediately. An interrupt of serve closes all connections with
1001.`,
		Example: `  wsstream serve -- cat
  wsstream serve --listen :8080 --static ./public -- ./chat.py
  wsstream serve --binary --cert cert.pem --key key.pem -- tar x`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("COMMAND is missing: wsstream serve [flags] -- COMMAND")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			s.command = args
			return s.run()
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.SetInterspersed(false) // what follows COMMAND is its own
	fs.StringVar(&s.listen, "listen", "localhost:8080", "the `address`: host:port or unix:path")
	fs.BoolVar(&s.binary, "binary", false, "binary messages and raw bytes, in place of lines")
	fs.StringVar(&s.static, "static", "", "serve the files of this `folder` to requests of HTTP")
	fs.DurationVar(&s.termAfter, "term-after", time.Second,
		"the `duration` from the end of standard input to SIGTERM")
	fs.DurationVar(&s.killAfter, "kill-after", 5*time.Second, "the `duration` from SIGTERM to SIGKILL")
	s.flags.add(fs)
	s.flags.stream.add(fs)
	return cmd
}

func (s *commandServer) run() error {
	if _, err := exec.LookPath(s.command[0]); err != nil {
		return err
	}
	a, err := s.flags.acceptor()
	if err != nil {
		return err
	}
	handler := a.Handler(s.serve)
	if s.static != "" {
		static, err := files(s.static)
		if err != nil {
			return err
		}
		sockets := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if upgrades(r) {
				sockets.ServeHTTP(w, r)
				return
			}
			static.ServeHTTP(w, r)
		})
	}
	return serveHTTP(s.console, s.listen, &s.flags, a, handler)
}

// serve runs a process for a connection. The error that it returns becomes the close code.
func (s *commandServer) serve(conn *wsstream.Conn, r *http.Request) error {
	p, err := s.startProcess(conn, r)
	if err != nil {
		report(s.stderr, err)
		return err
	}
	select {
	case <-p.exited:
		return p.closing()
	case <-conn.Context().Done():
		p.end(conn, s.termAfter, s.killAfter)
		return nil
	case <-s.stop.hard.Done():
		kill(p.cmd)
		<-p.exited
		return nil
	}
}
