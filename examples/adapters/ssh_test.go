package adapters

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
)

// A shell behind a web server: the whole of SSH, with its own keys, runs inside the WebSocket.
func Example_ssh() {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	host, err := ssh.NewSignerFromKey(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	config := &ssh.ServerConfig{
		PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if c.User() != "ada" || string(password) != "lovelace" {
				return nil, fmt.Errorf("no such user: %s", c.User())
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	nc, stop := dial(func(nc net.Conn) { shell(nc, config) })
	defer stop()

	conn, channels, requests, err := ssh.NewClientConn(nc, "ws", &ssh.ClientConfig{
		User:            "ada",
		Auth:            []ssh.AuthMethod{ssh.Password("lovelace")},
		HostKeyCallback: ssh.FixedHostKey(host.PublicKey()),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := ssh.NewClient(conn, channels, requests)
	defer client.Close()
	for _, command := range []string{"whoami", "date"} {
		session, err := client.NewSession()
		if err != nil {
			fmt.Println(err)
			return
		}
		output, err := session.Output(command)
		fmt.Printf("%s%v\n", output, err)
		_ = session.Close() // the command's end has closed it
	}
	// Output:
	// ada
	// <nil>
	// Process exited with status 127
}

// shell is an SSH server that knows one command.
func shell(nc net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(nc, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests) // the connection's own: it ends with it
	for c := range channels {
		if c.ChannelType() != "session" {
			// fails if the client has gone, and then channels ends
			_ = c.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			if r.Type == "exec" {
				run(conn.User(), r, channel)
			}
		}
	}
}

// run answers one exec request (RFC 4254, section 6.5).
func run(user string, r *ssh.Request, channel ssh.Channel) {
	defer channel.Close()
	var command struct{ Line string }
	_ = r.Reply(ssh.Unmarshal(r.Payload, &command) == nil, nil) // fails if the client has gone
	status := uint32(127)
	if command.Line == "whoami" {
		status = 0
		fmt.Fprintln(channel, user)
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}
