//go:build e2e

package e2e

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

const openStream = `
	self.wss = new WebSocketStream(url);
	const { readable, writable } = await wss.opened;
	self.reader = readable.getReader();
	self.writer = writable.getWriter();`

func TestEachWayAPagesStreamsEndIsOurTablesRowOfThePeersClose(t *testing.T) {
	for _, c := range []struct {
		how  string
		want wsstream.CloseInfo
	}{
		{`reader.cancel()`, wsstream.CloseInfo{Code: 1005}},
		{`reader.cancel('enough')`, wsstream.CloseInfo{Code: 1005}},
		{`reader.cancel(new WebSocketError('', { closeCode: 4001, reason: 'enough' }))`,
			wsstream.CloseInfo{Code: 4001, Reason: "enough"}},
		{`writer.close()`, wsstream.CloseInfo{Code: 1005}},
		{`writer.abort()`, wsstream.CloseInfo{Code: 1005}},
		{`writer.abort(new WebSocketError('', { closeCode: 4002, reason: 'gone wrong' }))`,
			wsstream.CloseInfo{Code: 4002, Reason: "gone wrong"}},
		{`writer.abort(new WebSocketError('', { reason: 'only a reason' }))`,
			wsstream.CloseInfo{Code: 1000, Reason: "only a reason"}},
	} {
		t.Run(c.how, func(t *testing.T) {
			s := serve(t, nil)
			p := open(t, s.page())
			p.run(t, openStream+`await writer.write('before')`)
			conn := s.accepted(t)
			p.run(t, `await `+c.how+`.catch(() => {})`)
			require.Equal(t, "before", string(pull(t, conn).Data))
			wantEnd(t, conn, c.want.Code)
			info, err := conn.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, c.want, info)
			got := eval[ended](t, p, `return await end(wss.closed)`)
			require.True(t, got.Clean, "%v", got)
			require.Equal(t, c.want.Code, got.Code)
		})
	}
}

func TestEachWayOurStreamsEndIsThePagesEnd(t *testing.T) {
	because := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4003, Reason: "because"}}
	for _, c := range []struct {
		how  string
		do   func(t *testing.T, conn *wsstream.Conn) error
		want wsstream.CloseInfo
	}{
		{"Writable.Close", func(t *testing.T, c *wsstream.Conn) error {
			return c.Writable().Close(patient(t))
		}, wsstream.CloseInfo{Code: 1000}},
		{"Writable.Fail", func(t *testing.T, c *wsstream.Conn) error {
			return c.Writable().Fail(patient(t), because)
		}, because.CloseInfo},
		{"Writable.Abort", func(_ *testing.T, c *wsstream.Conn) error {
			return c.Writable().Abort(errors.New("x"))
		}, wsstream.CloseInfo{Code: 1011}},
		{"Writable.Abort(*Error)", func(_ *testing.T, c *wsstream.Conn) error {
			return c.Writable().Abort(because)
		}, because.CloseInfo},
		{"Readable.Cancel", func(_ *testing.T, c *wsstream.Conn) error {
			return c.Readable().Cancel(nil)
		}, wsstream.CloseInfo{Code: 1005}},
		{"Readable.Cancel(*Error)", func(_ *testing.T, c *wsstream.Conn) error {
			return c.Readable().Cancel(because)
		}, because.CloseInfo},
	} {
		t.Run(c.how, func(t *testing.T) {
			s := serve(t, nil)
			p := open(t, s.page())
			p.run(t, openStream)
			conn := s.accepted(t)
			write(t, conn, wsstream.Text("before"))
			require.NoError(t, conn.Writable().Flush(patient(t)))
			require.NoError(t, c.do(t, conn))
			require.Equal(t, "before", eval[string](t, p, `return (await reader.read()).value`))
			require.True(t, eval[bool](t, p, `return (await reader.read()).done`))
			got := eval[ended](t, p, `return await end(wss.closed)`)
			require.Equal(t, ended{Code: c.want.Code, Reason: c.want.Reason, Clean: true}, got)
			info, err := conn.Closed().Wait(patient(t))
			require.NoError(t, err)
			require.Equal(t, c.want.Code, info.Code)
		})
	}
}

func TestWhatAPageHasWrittenComesBeforeItsWriterCloses(t *testing.T) {
	s := serve(t, nil)
	p := open(t, s.page())
	p.run(t, openStream+`
		for (let i = 0; i < 200; i++) {
			const m = new Uint8Array(32 << 10);
			new DataView(m.buffer).setUint32(0, i);
			writer.write(m).catch(() => {});
		}
		self.closing = writer.close()`)
	conn := s.accepted(t)
	drain(t, conn, 200)
	_, err := conn.Readable().Pull(patient(t))
	require.Equal(t, io.EOF, err)
	p.run(t, `await closing`)
}

func TestOurCloseReachesAPageThatDoesNotReadOnceItReads(t *testing.T) {
	s := serve(t, nil)
	p := open(t, s.page())
	p.run(t, openStream)
	conn := s.accepted(t)
	n := flood(t, conn)
	require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 4000, Reason: "last"}))
	require.Equal(t, n, eval[int](t, p,
		`for (let n = 0; ; n++) if ((await reader.read()).done) return n`))
	require.Equal(t, ended{Code: 4000, Reason: "last", Clean: true},
		eval[ended](t, p, `return await end(wss.closed)`))
	_, err := conn.Closed().Wait(patient(t))
	require.NoError(t, err)
}

// wantEnd wants the end of pulls and of writes that a peer's code makes.
func wantEnd(t *testing.T, conn *wsstream.Conn, code int) {
	t.Helper()
	_, end := conn.Readable().Pull(patient(t))
	late := conn.Writable().Write(patient(t), wsstream.Text("late"))
	if code == 1000 || code == 1005 {
		require.Equal(t, io.EOF, end)
		require.Equal(t, wsstream.ErrClosed, late)
		return
	}
	require.Equal(t, code, wsstream.CloseCode(end))
	require.Equal(t, end, late)
}
