package wire

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

func TestFrameHeaderIsParsedWholeOrNotAtAll(t *testing.T) {
	for _, length := range []int64{0, 1, 125, 126, 0xffff, 0x10000, 1 << 40} {
		for _, mask := range [][4]byte{{}, {1, 2, 3, 4}} {
			want := ws.Header{
				Fin:    length%2 == 0,
				Rsv:    rsv1,
				OpCode: ws.OpBinary,
				Masked: mask != [4]byte{},
				Mask:   mask,
				Length: length,
			}
			var raw bytes.Buffer
			require.NoError(t, ws.WriteHeader(&raw, want))
			for cut := range raw.Len() {
				var h ws.Header
				require.Zero(t, parseHeader(raw.Bytes()[:cut], &h), "the first %d bytes", cut)
			}
			var h ws.Header
			require.Equal(t, raw.Len(), parseHeader(append(raw.Bytes(), "payload"...), &h))
			require.Equal(t, want, h)
		}
	}
}

func TestFrameHeaderIsChecked(t *testing.T) {
	inMessage := ws.StateClientSide.Set(ws.StateFragmented)
	compressed := ws.StateClientSide.Set(ws.StateExtended)
	for _, test := range []struct {
		name  string
		state ws.State
		raw   string
		want  error
	}{
		{
			name:  "a message",
			state: ws.StateClientSide,
			raw:   "\x82\x00",
		},
		{
			name:  "a compressed message",
			state: compressed,
			raw:   "\xc2\x00",
		},
		{
			name:  "the next frame of a message",
			state: inMessage,
			raw:   "\x80\x00",
		},
		{
			name:  "the next frame of no message",
			state: ws.StateClientSide,
			raw:   "\x80\x00",
			want:  ws.ErrProtocolContinuationUnexpected,
		},
		{
			name:  "a message inside another",
			state: inMessage,
			raw:   "\x82\x00",
			want:  ws.ErrProtocolContinuationExpected,
		},
		{
			name:  "a masked frame from a server",
			state: ws.StateClientSide,
			raw:   "\x82\x80\x00\x00\x00\x00",
			want:  ws.ErrProtocolMaskUnexpected,
		},
		{
			name:  "a frame from a client that is not masked",
			state: ws.StateServerSide,
			raw:   "\x82\x00",
			want:  ws.ErrProtocolMaskRequired,
		},
		{
			name:  "a control frame in fragments",
			state: ws.StateClientSide,
			raw:   "\x09\x00",
			want:  ws.ErrProtocolControlNotFinal,
		},
		{
			name:  "a reserved opcode",
			state: ws.StateClientSide,
			raw:   "\x83\x00",
			want:  ws.ErrProtocolOpCodeReserved,
		},
		{
			name:  "a reserved bit",
			state: ws.StateClientSide,
			raw:   "\xc2\x00",
			want:  ws.ErrProtocolNonZeroRsv,
		},
		{
			name:  "another reserved bit with compression",
			state: compressed,
			raw:   "\xa2\x00",
			want:  errRsv,
		},
		{
			name:  "a compressed ping",
			state: compressed,
			raw:   "\xc9\x00",
			want:  errRsv1,
		},
		{
			name:  "a length of 16 bits that fits 7",
			state: ws.StateClientSide,
			raw:   "\x82\x7e\x00\x7d",
			want:  errLength,
		},
		{
			name:  "a length of 64 bits that fits 16",
			state: ws.StateClientSide,
			raw:   "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
			want:  errLength,
		},
		{
			name:  "a negative length",
			state: ws.StateClientSide,
			raw:   "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00",
			want:  errLengthSign,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h ws.Header
			require.Equal(t, len(test.raw), parseHeader([]byte(test.raw), &h))
			require.ErrorIs(t, checkHeader(&h, []byte(test.raw), test.state), test.want)
		})
	}
}

// FuzzFrameHeader compares parseHeader with ws.ReadHeader, and checkHeader with a naive reader in
// each state of a connection.
func FuzzFrameHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h ws.Header
		size := parseHeader(raw, &h)
		r := bytes.NewReader(raw)
		want, err := ws.ReadHeader(r)
		if size == 0 {
			require.Error(t, err)
			return
		}
		require.Equal(t, h.Length < 0, err != nil)
		if err == nil {
			require.Equal(t, want, h)
			require.Equal(t, len(raw)-size, r.Len())
		}
		for states := range 8 {
			var n naive
			state := ws.StateServerSide
			if n.client = states&1 != 0; n.client {
				state = ws.StateClientSide
			}
			if states&2 != 0 {
				n.peer = new(deflate.Sender)
				state = state.Set(ws.StateExtended)
			}
			if states&4 != 0 {
				n.open = new(naiveMessage)
				state = state.Set(ws.StateFragmented)
			}
			_, length, rule := n.frame(raw)
			require.LessOrEqual(t, size, length)
			require.Equal(t, rule != "", checkHeader(&h, raw, state) != nil)
		}
	})
}
