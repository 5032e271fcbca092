package handshake

import (
	"fmt"
	"net/http"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A Deflate says how both sides compress.
type Deflate struct {
	Ours deflate.Sender // how we send
	Peer deflate.Sender // how the peer sends
}

// answerExtensions answers the extensions that a client offers. A nil want is no compression. If z
// is nil, no compression was agreed, and extensions is empty. An error says that the offers are
// malformed.
func answerExtensions(want *deflate.Config, h http.Header) (
	z *Deflate, extensions string, err error,
) {
	if want == nil {
		_, _, _, err = deflate.Config{}.Answer(h[extensionsField])
		return nil, "", err
	}
	p, extensions, ok, err := want.Answer(h[extensionsField])
	if err != nil || !ok {
		return nil, "", err
	}
	return &Deflate{Ours: p.Server, Peer: p.Client}, extensions, nil
}

// readExtensions reads a server's response to what we offered. A nil want has offered nothing.
//
// RFC 6455, section 11.3.2: the field stands once.
func readExtensions(want *deflate.Config, h http.Header) (*Deflate, error) {
	chosen := h[extensionsField]
	if len(chosen) > 1 {
		return nil, fmt.Errorf("the server's extensions are in %d fields: %.100q",
			len(chosen), chosen)
	}
	if want == nil {
		if err := deflate.Unoffered(chosen); err != nil {
			return nil, fmt.Errorf("the server chose an extension that was not offered: %w", err)
		}
		return nil, nil
	}
	p, ok, err := want.Check(chosen)
	if err != nil || !ok {
		return nil, err
	}
	return &Deflate{Ours: p.Client, Peer: p.Server}, nil
}
