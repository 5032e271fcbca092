package wstest

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestFrameStringIsOneLine(t *testing.T) {
	wrong := Frame{Op: 5, Rsv: 6, WrongMask: true, Payload: []byte{1}}
	for want, f := range map[string]Frame{
		`text "hello\n"`:                Text("hello\n"),
		`binary 3 bytes 010203`:         Binary([]byte{1, 2, 3}),
		`binary (not the last) 0 bytes`: Binary(nil).Part(),
		`continuation 1 bytes 78`:       Cont([]byte("x"), true),
		`ping ""`:                       Ping(""),
		`pong "x"`:                      Pong("x"),
		`close 1000 "bye"`:              Close(1000, "bye"),
		`close without a code`:          CloseEmpty(),
		`opcode 0x5 (not the last, rsv 110, wrongly masked) 1 bytes 01`: wrong,
		`text "` + strings.Repeat("x", 64) + `"… (65 bytes)`:            Text(strings.Repeat("x", 65)),
	} {
		require.Equal(t, want, f.String())
	}
}

func TestOpKinds(t *testing.T) {
	for op := range Op(16) {
		require.Equal(t, ws.OpCode(op).IsControl(), op.IsControl(), "%v", op)
		require.Equal(t, ws.OpCode(op).IsData(), op.IsData(), "%v", op)
		require.Equal(t, ws.OpCode(op).IsReserved(), op.IsReserved(), "%v", op)
	}
	for op, code := range map[Op]ws.OpCode{
		OpContinuation: ws.OpContinuation,
		OpText:         ws.OpText,
		OpBinary:       ws.OpBinary,
		OpClose:        ws.OpClose,
		OpPing:         ws.OpPing,
		OpPong:         ws.OpPong,
	} {
		require.Equal(t, code, ws.OpCode(op), "%v", op)
	}
}
