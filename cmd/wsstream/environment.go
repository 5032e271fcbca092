package main

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/wsstream/wsstream"
)

// environment returns the environment of a process: our own, and the variables of CGI (RFC 3875,
// section 4.1) for the request.
func environment(conn *wsstream.Conn, r *http.Request) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "HTTP_") // it would look like a header
	})
	set := func(name, value string) { env = append(env, name+"="+value) }
	set("GATEWAY_INTERFACE", "CGI/1.1")
	set("SERVER_SOFTWARE", "wsstream")
	set("SERVER_PROTOCOL", r.Proto)
	host, port := split(r.Host)
	set("SERVER_NAME", host)
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && port == "" {
		_, port = split(local.String())
	}
	set("SERVER_PORT", port)
	set("REQUEST_METHOD", r.Method)
	set("REQUEST_URI", r.URL.RequestURI())
	set("SCRIPT_NAME", "")
	set("PATH_INFO", r.URL.Path)
	set("QUERY_STRING", r.URL.RawQuery)
	host, port = split(r.RemoteAddr)
	set("REMOTE_ADDR", host)
	set("REMOTE_PORT", port)
	if r.TLS != nil {
		set("HTTPS", "on")
	}
	if o, err, _ := conn.Opened().Peek(); err == nil {
		set("WEBSOCKET_PROTOCOL", o.Protocol)
	}
	for name, values := range r.Header {
		if name == "Proxy" { // HTTP_PROXY has another meaning: https://httpoxy.org
			continue
		}
		name = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		set("HTTP_"+name, strings.Join(values, ", "))
	}
	return env
}

// split splits a host and a port, which may be missing.
func split(address string) (host, port string) {
	u := url.URL{Host: address}
	return u.Hostname(), u.Port()
}
