package handshake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// CheckSubprotocols checks the option Subprotocols. A server's are tokens. A client's may have
// other characters, as some servers need: libzmq expects "ZWS2.0/NULL".
//
// RFC 6455, section 4.1.
func CheckSubprotocols(protocols []string, client bool) error {
	for i, p := range protocols {
		switch {
		case client && !mayBeOffered(p):
			return fmt.Errorf("wsstream: Subprotocols: %q is neither a token "+
				"nor visible ASCII without commas and quotes", p)
		case !client && !isToken(p):
			return fmt.Errorf("wsstream: Subprotocols: %q is not a token "+
				"(RFC 6455, section 4.1)", p)
		}
		isP := func(q string) bool { return strings.EqualFold(p, q) }
		if slices.ContainsFunc(protocols[:i], isP) {
			return fmt.Errorf("wsstream: Subprotocols: %q appears twice", p)
		}
	}
	return nil
}

// subprotocol chooses the first of the client's subprotocols that the server speaks. It ignores
// names that are not valid, and repeated names.
func (s *Server) subprotocol(h http.Header) string {
	for p := range tokens(h[protocolField]) {
		if i := slices.Index(s.Subprotocols, p); i >= 0 {
			return s.Subprotocols[i] // p would keep all that was offered in memory
		}
	}
	return ""
}

// checkSubprotocol checks the subprotocol that the server chose.
func (c *Client) checkSubprotocol(chosen []string) error {
	offered := c.Subprotocols
	switch {
	case len(chosen) == 0 && (len(offered) == 0 || c.SubprotocolOptional):
		return nil
	case len(chosen) == 0:
		return fmt.Errorf("the server chose none of the Subprotocols %q; "+
			"SubprotocolOptional would let that be", offered)
	case len(offered) == 0:
		return fmt.Errorf("the server chose the subprotocol %.100q, and none was offered", chosen)
	case len(chosen) > 1, !slices.Contains(offered, chosen[0]):
		return fmt.Errorf("the server chose the subprotocol %.100q, not one of %q", chosen, offered)
	}
	return nil
}
