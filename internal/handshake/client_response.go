package wsstream

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// moment is how long a client waits for the body of a refusal, from the end of the header on, and
// for an answer once the request could not be written whole.
const moment = 100 * time.Millisecond

// exchange sends a request, and concurrently reads the header of the response: a server may refuse
// a request of which it has read, and will read, a part only. written gives the error of the
// writing when that is done. A caller that closes nc need not wait for it.
func exchange(nc net.Conn, br *handshakeReader, r *http.Request) (
	resp *http.Response, written <-chan error, err error,
) {
	done := make(chan error, 1)
	go func() { // the handshake's: it ends with the write, which the handshake's end cuts off
		err := r.Write(nc)
		if err != nil {
			readNoMore(nc) // the server's answer came before the server broke the connection
		}
		done <- err
	}()
	resp, err = br.response(r)
	if err == nil {
		return resp, done, nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		select { // there is no answer
		case e := <-done:
			if e != nil {
				err = e
			}
		default:
		}
	}
	return nil, nil, err
}

// readNoMore ends, in a moment, the reading from a connection that will be closed.
func readNoMore(nc net.Conn) *time.Timer {
	return time.AfterFunc(moment, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
}

// firstKiB returns the start of a refusal's body, as far as it comes in a moment. A 101 has none.
func firstKiB(nc net.Conn, resp *http.Response) []byte {
	defer readNoMore(nc).Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what came of it is better than nothing
	return body
}
