package contract

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

const document = `
components:
  messages:
    greeting:
      payload:
        $ref: '#/components/schemas/greeting'
    record:
      payload:
        type: string
        pattern: '^\x00[\x80-\xff]{2}$'
  schemas:
    greeting:
      type: object
      required: [hello]
`

func TestAMessageIsCheckedAgainstItsSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "document.yaml")
	require.NoError(t, os.WriteFile(path, []byte(document), 0o644))
	d := Open(t, path)
	d.Check(t, "greeting", wsstream.Text(`{"hello":"world"}`))
	d.CheckBad(t, "greeting", wsstream.Text(`{"bye":"world"}`))
	d.CheckBad(t, "greeting", wsstream.Text(`{"hello":`))
	d.CheckBad(t, "greeting", wsstream.Binary([]byte(`{"hello":"world"}`)))
	d.Check(t, "record", wsstream.Binary([]byte{0, 0x80, 0xff}))
	d.CheckBad(t, "record", wsstream.Binary([]byte{0, 0x7f, 0xff}))
	d.CheckBad(t, "record", wsstream.Binary([]byte{0, 0xc3, 0xbf, 0xff}))
	require.ErrorContains(t, d.validate("none", wsstream.Text("{}")), "no message none")
}
