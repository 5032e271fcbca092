package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/wsstream/wsstream"
)

// A size is a number of bytes, such as 64KiB.
type size int

func (s *size) String() string {
	return strings.ReplaceAll(humanize.IBytes(uint64(max(*s, 0))), " ", "")
}

func (s *size) Type() string { return "size" }

// Set parses a size. The largest is that of an int32, which is enough for a message.
func (s *size) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<31-1 {
		return errors.New("want a number of bytes from 1 to 2GiB, such as 4096, 64KiB or 1MB")
	}
	*s = size(n)
	return nil
}

// streamFlags are the flags of all connections, of either side.
type streamFlags struct {
	compress     bool
	ping         time.Duration
	closeTimeout time.Duration
	window       size
	maxMessage   size
}

func (f *streamFlags) add(fs *pflag.FlagSet) {
	f.window, f.maxMessage = wsstream.DefaultReadWindow, 16<<20
	fs.BoolVar(&f.compress, "compress", false, "use permessage-deflate if the other side does")
	fs.DurationVar(&f.ping, "ping", 0,
		"ping after this `duration` of silence, and give up 20s after an unanswered ping")
	fs.DurationVar(&f.closeTimeout, "close-timeout", wsstream.DefaultCloseTimeout,
		"the longest `duration` of the closing handshake")
	fs.Var(&f.window, "window", "the `size` of the buffer of each direction, at least 256 bytes")
	fs.Var(&f.maxMessage, "max-message", "the largest `size` of a line, and of a message that is not streamed")
}

func (f *streamFlags) compression() *wsstream.CompressionOptions {
	if !f.compress {
		return nil
	}
	return &wsstream.CompressionOptions{}
}

// dialFlags are the flags of connections to a server.
type dialFlags struct {
	stream streamFlags

	protocols        []string
	headers          []string
	origin           string
	insecure         bool
	caCert           string
	clientCert       string
	clientKey        string
	proxy            string
	unix             string
	handshakeTimeout time.Duration
}

func (f *dialFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.protocols, "protocol", nil, "offer this `protocol`; may be repeated")
	fs.StringArrayVar(&f.headers, "header", nil, "send this `header`, \"Name: value\"; may be repeated")
	fs.StringVar(&f.origin, "origin", "", "send this `origin`, as a page of that site does")
	fs.BoolVar(&f.insecure, "insecure", false, "accept any certificate of the server")
	fs.StringVar(&f.caCert, "cacert", "", "a `file` of certificates to trust, in place of the system's")
	fs.StringVar(&f.clientCert, "client-cert", "",
		"show the server the certificate in this `file`, in PEM")
	fs.StringVar(&f.clientKey, "client-key", "", "a `file` with the key of that certificate")
	fs.StringVar(&f.proxy, "proxy", "",
		"connect through this proxy, a `URL` of http, https or socks5, or none;\n"+
			"without the flag HTTP_PROXY, HTTPS_PROXY and NO_PROXY count")
	fs.StringVar(&f.unix, "unix", "", "connect to the unix socket at this `path`")
	fs.DurationVar(&f.handshakeTimeout, "connect-timeout", wsstream.DefaultHandshakeTimeout,
		"the longest `duration` of connecting")
}

// options returns what the flags mean for connections to a target.
func (f *dialFlags) options(target string) (*wsstream.DialOptions, error) {
	o := &wsstream.DialOptions{
		Subprotocols:     f.protocols,
		Header:           http.Header{},
		HandshakeTimeout: f.handshakeTimeout,
		CloseTimeout:     f.stream.closeTimeout,
		PingInterval:     f.stream.ping,
		Compression:      f.stream.compression(),
		ReadWindow:       int(f.stream.window),
		WriteWindow:      int(f.stream.window),
		MaxMessageSize:   int(f.stream.maxMessage),
	}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		switch {
		case !ok || name == "":
			return nil, usageError{fmt.Errorf(`bad --header %q: want "Name: value"`, h)}
		case strings.EqualFold(name, "Host"):
			o.Host = strings.TrimSpace(value)
		default:
			o.Header.Add(name, strings.TrimSpace(value))
		}
	}
	if f.origin != "" {
		o.Header.Set("Origin", f.origin)
	}
	if f.unix != "" {
		o.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", f.unix)
		}
	}
	if err := f.setProxy(o); err != nil {
		return nil, usageError{err}
	}
	return o, f.setTLS(o, target)
}

func (f *dialFlags) setProxy(o *wsstream.DialOptions) error {
	switch f.proxy {
	case "":
		return nil
	case "none":
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		return nil
	}
	proxy, err := url.Parse(f.proxy)
	if err != nil || proxy.Host == "" {
		return fmt.Errorf("bad --proxy %q: want a URL such as http://localhost:3128", f.proxy)
	}
	o.Proxy = http.ProxyURL(proxy)
	return nil
}

func (f *dialFlags) setTLS(o *wsstream.DialOptions, target string) (err error) {
	c := &tls.Config{
		InsecureSkipVerify: f.insecure,
		ClientSessionCache: tls.NewLRUClientSessionCache(1), // for --reconnect
	}
	if f.caCert != "" {
		if c.RootCAs, err = authorities("--cacert", f.caCert); err != nil {
			return err
		}
	}
	o.TLSConfig = c
	cert, err := keyPair("--client-cert", f.clientCert, "--client-key", f.clientKey)
	if cert == nil || err != nil {
		return err
	}
	// A certificate in Certificates is not shown to a server that names other authorities. Then the
	// server's error would be that there is none.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return cert, nil
	}
	switch scheme, _, _ := strings.Cut(strings.ToLower(target), ":"); scheme {
	case "wss", "https":
		return nil
	default:
		return usageError{fmt.Errorf("--client-cert needs a URL of wss, not %s", target)}
	}
}

// authorities returns the certificates in the file that a flag names.
func authorities(flag, file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in %s", flag, file)
	}
	return pool, nil
}

// keyPair returns the certificate in the files that two flags name, or nil without both flags.
func keyPair(certFlag, certFile, keyFlag, keyFile string) (*tls.Certificate, error) {
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case keyFile == "":
		return nil, usageError{fmt.Errorf("%s needs %s, which is missing", certFlag, keyFlag)}
	case certFile == "":
		return nil, usageError{fmt.Errorf("%s needs %s, which is missing", keyFlag, certFlag)}
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certFlag, keyFlag, err)
	}
	return &cert, nil
}

// connect opens a connection. While it waits, the first interrupt ends it.
func connect(stop *interrupts, url string, o *wsstream.DialOptions) (*wsstream.Conn, error) {
	conn := wsstream.Dial(stop.soft, url, o)
	_, err := conn.Opened().Wait(context.Background())
	switch {
	case err == nil:
		return conn, nil
	case stop.soft.Err() != nil:
		return nil, errCut
	case is[*wsstream.HandshakeError](err):
		return nil, connectError{shorter(err)}
	default: // the URL or an option
		return nil, usageError{err}
	}
}

// shorter returns a HandshakeError whose body is the first line of the server's, at most 80 bytes.
func shorter(err error) error {
	e, _ := errors.AsType[*wsstream.HandshakeError](err)
	short := *e
	line, _, _ := strings.Cut(strings.TrimSpace(string(e.Body)), "\n")
	short.Body = []byte(line[:min(len(line), 80)])
	return &short
}
