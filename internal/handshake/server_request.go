package handshake

import "net/http"

// checkRequest checks what a client's request must have.
//
// RFC 6455, section 4.2.1.
func checkRequest(r *http.Request) *refusal {
	h := r.Header
	for _, once := range [...]struct{ field, name string }{
		{keyField, "Sec-WebSocket-Key"},
		{versionField, "Sec-WebSocket-Version"},
		{"Origin", "Origin"},
	} {
		if n := len(h[once.field]); n > 1 {
			return refused(http.StatusBadRequest, "%s appears %d times", once.name, n)
		}
	}
	version, key := h.Get(versionField), h.Get(keyField)
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refused(http.StatusHTTPVersionNotSupported,
			"the request is %s; WebSocket is served over HTTP/1.1 only", r.Proto)
	case r.Method != http.MethodGet:
		return refused(http.StatusMethodNotAllowed, "the method is %.100s, not GET", r.Method).
			with("Allow", http.MethodGet)
	case !HasToken(h, "Connection", "Upgrade"):
		return upgradeRequired("Connection is %.100q, not Upgrade", h.Get("Connection"))
	case !HasToken(h, "Upgrade", "websocket"):
		return upgradeRequired("Upgrade is %.100q, not websocket", h.Get("Upgrade"))
	case version != "13":
		return upgradeRequired("Sec-WebSocket-Version is %.100q, not 13", version).
			with("Sec-WebSocket-Version", "13")
	case r.Host == "":
		return refused(http.StatusBadRequest, "Host is missing")
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return refused(http.StatusBadRequest, "the request has a body")
	case !isKey(key):
		return refused(http.StatusBadRequest, "Sec-WebSocket-Key %.100q is not 16 bytes of base64", key)
	}
	return nil
}
