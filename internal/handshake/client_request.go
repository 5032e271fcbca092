package handshake

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// SetCredentials sends user with the request, unless Header has an Authorization of its own.
func (c *Client) SetCredentials(user *url.Userinfo) {
	if c.Header.Get("Authorization") != "" {
		return
	}
	if c.Header == nil {
		c.Header = http.Header{}
	}
	c.Header.Set("Authorization", basic(user))
}

// basic returns user's credentials as Authorization writes them.
//
// RFC 7617, section 2.
func basic(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

// webURL returns the URL with the scheme http or https. It is the URL for which proxies and cookies
// are chosen.
func (c *Client) webURL(host string) *url.URL {
	u := *c.URL
	u.Host = host
	u.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	return &u
}

// request returns the request of the handshake.
//
// RFC 6455, section 4.1.
func (c *Client) request(key string) *http.Request {
	r := &http.Request{Method: http.MethodGet, URL: c.URL, Host: c.Host, Header: c.Header.Clone()}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Header["User-Agent"] == nil {
		r.Header.Set("User-Agent", "") // net/http would name itself
	}
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Connection", "Upgrade")
	r.Header["Sec-WebSocket-Key"] = []string{key}
	r.Header["Sec-WebSocket-Version"] = []string{"13"}
	if len(c.Subprotocols) > 0 {
		r.Header["Sec-WebSocket-Protocol"] = []string{strings.Join(c.Subprotocols, ", ")}
	}
	if c.Deflate != nil {
		r.Header["Sec-WebSocket-Extensions"] = []string{c.Deflate.Offer()}
	}
	if c.Jar != nil {
		for _, cookie := range c.Jar.Cookies(c.webURL(c.Host)) {
			r.AddCookie(cookie)
		}
	}
	return r
}
