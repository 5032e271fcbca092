// Command reverseproxy is net/http/httputil's ReverseProxy:
//
//	reverseproxy ADDRESS TARGET
package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: reverseproxy ADDRESS TARGET")
	}
	target, err := url.Parse(os.Args[2])
	if err != nil {
		fail(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // otherwise the server's own pages would look cross-origin
	}}
	fail(http.ListenAndServe(os.Args[1], proxy))
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
