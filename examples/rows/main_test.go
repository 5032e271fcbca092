package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// aTable returns the path of a file with this name and content.
func aTable(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// succeeds runs the program, and holds that it claims success.
func succeeds(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), args, &out, &errs), &errs)
	return out.String()
}

func TestAllRowsArriveInOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		rows string
	}{
		"made up":           {[]string{"-n", "20000"}, "20,000"},
		"none made up":      {[]string{"-n", "0"}, "0"},
		"one worker":        {[]string{"-n", "5000", "-workers", "1"}, "5,000"},
		"many workers":      {[]string{"-n", "20000", "-workers", "50"}, "20,000"},
		"CSV":               {[]string{"-in", aTable(t, "t.csv", "a,b\n1,x\n2,\"y\nz\"\n")}, "2"},
		"CSV in capitals":   {[]string{"-in", aTable(t, "T.CSV", "a\r\n1\r\n")}, "1"},
		"CSV, header alone": {[]string{"-in", aTable(t, "t.csv", "a,b\n")}, "0"},
		"JSON lines":        {[]string{"-in", aTable(t, "t.jsonl", "{ \"a\" : \"<b>\" }\n\n{}")}, "2"},
		"no JSON lines":     {[]string{"-in", aTable(t, "t.jsonl", "")}, "0"},
		"a long row": {[]string{"-in", aTable(t, "t.csv", "a\n"+strings.Repeat("<", 1<<20)+"\n")},
			"1"},
	} {
		t.Run(name, func(t *testing.T) {
			out := succeeds(t, append(tc.args, "-rate", "max")...)
			require.Regexp(t, `(?m)^rows +`+tc.rows+` +`+tc.rows+`$`, out)
			require.Regexp(t, `(?m)^sha256 [0-9a-f]{64}$`, out, "the same on both ends")
			for line := range strings.Lines(out) {
				require.LessOrEqual(t, len(line), 80, "it fits a terminal")
			}
		})
	}
}

func TestWhatIsHeldDoesNotDependOnHowManyRowsThereAre(t *testing.T) {
	out := succeeds(t, "-n", "30000", "-rate", "60000")
	require.Regexp(t, `(?m)^rows +30,000 +30,000$`, out)
	require.Regexp(t, `(?m)^window +65,536 +65,536$`, out)
	held := regexp.MustCompile(`(?m)^held at most +([0-9,]+) +([0-9,]+)$`).FindStringSubmatch(out)
	require.Len(t, held, 3, out)
	for _, h := range held[1:] {
		n, err := strconv.Atoi(strings.ReplaceAll(h, ",", ""))
		require.NoError(t, err)
		require.Positive(t, n)
		require.LessOrEqual(t, n, window+4*batchMark+4096, "the window, a message, and a read buffer")
	}
	require.Contains(t, out, "\nmarks ")
}

func TestBadInputIsOneClearLine(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		why  string
	}{
		"no such file": {[]string{"-in", filepath.Join(t.TempDir(), "no.csv")},
			"no.csv: no such file"},
		"neither CSV nor JSON": {[]string{"-in", aTable(t, "t.xls", "")},
			"want a .csv or a .jsonl file"},
		"directory":            {[]string{"-in", filepath.Dir(aTable(t, "t.csv", ""))}, "want a .csv"},
		"CSV without a header": {[]string{"-in", aTable(t, "t.csv", "")}, "t.csv: no header"},
		"CSV with a short row": {[]string{"-in", aTable(t, "t.csv", "a,b\n1,2\n3\n")},
			"record on line 3: wrong number of fields"},
		"CSV with a bad quote": {[]string{"-in", aTable(t, "t.csv", "a,b\n1,\"2\n")},
			"parse error on line 2"},
		"a line that is broken": {[]string{"-in", aTable(t, "t.jsonl", "{}\n{\"a\":\n")},
			"row 2 is not a JSON object: unexpected end"},
		"a line of another sort": {
			[]string{"-in", aTable(t, "t.jsonl",
				"[1]\n")}, "row 1 is not a JSON object: json: cannot unmarshal array",
		},
		"a line that is no UTF-8": {[]string{"-in", aTable(t, "t.jsonl", "{\"a\":\"\xff\"}\n")},
			"not UTF-8"},
		"a line that is too long": {[]string{"-in", aTable(t, "t.jsonl", strings.Repeat(" ", 2<<20))},
			"line of more than 1048576 bytes"},
		"no rate":                {[]string{"-rate", "0"}, `bad -rate "0": want rows a second`},
		"rate that is no number": {[]string{"-rate", "fast"}, `bad -rate "fast"`},
		"fewer than no rows":     {[]string{"-n", "-1"}, `bad -n "-1": want a number of rows`},
		"rows that are no number": {[]string{"-n", "1e6"},
			`bad -n "1e6": want a number of rows such as 50000`},
		"no workers": {[]string{"-workers", "0"},
			`bad -workers "0": want a number, 1 at least`},
		"a table and made-up rows": {[]string{"-in", "t.csv", "-n", "3"},
			"-n is for rows that are made up"},
		"empty path":   {[]string{"-in", ""}, "-in is empty"},
		"argument":     {[]string{"t.csv"}, "name the table with -in"},
		"unknown flag": {[]string{"-fast"}, "-fast"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, 1, run(t.Context(), tc.args, &out, &errs))
			require.Regexp(t, "^rows: [^\n]*\n$", errs.String())
			require.Contains(t, errs.String(), tc.why)
			require.Empty(t, out.String())
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	require.Contains(t, succeeds(t, "-h"), "-rate rows")
}

func TestAnInterruptEndsTheTransfer(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	var out bytes.Buffer
	errs := &onFirst{f: func() { interrupt(errors.New("interrupt signal received")) }}
	require.Equal(t, 1, run(ctx, []string{"-rate", "1000"}, &out, errs),
		"interrupted when progress is shown")
	require.Contains(t, errs.String(), "\nrows: interrupt signal received\n")
	require.Empty(t, out.String())
}

// onFirst is a buffer that calls f when it is first written to.
type onFirst struct {
	bytes.Buffer
	f func()
}

func (o *onFirst) Write(p []byte) (int, error) {
	if o.f != nil {
		o.f()
		o.f = nil
	}
	return o.Buffer.Write(p)
}

func TestRowsAreTransformed(t *testing.T) {
	for name, tc := range map[string]struct {
		columns []string
		in      raw
		want    string
	}{
		"CSV": {
			columns: []string{"id", "a \"b\"", "c", "d", "e", "f", "g"},
			in:      raw{fields: []string{"7", "-1.50", "true", "007", "NaN", "", "x,\ty"}},
			want:    `{"id":7,"a \"b\"":-1.50,"c":true,"d":"007","e":"NaN","f":"","g":"x,\ty"}`,
		},
		"CSV that is no UTF-8": {
			columns: []string{"a"},
			in:      raw{fields: []string{"\xff"}},
			want:    `{"a":"\ufffd"}`,
		},
		"JSON": {
			in:   raw{json: ` {"a" : [1, 2] } `},
			want: `{"a":[1,2]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := transform(tc.columns)(t.Context(), []raw{tc.in})
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, tc.want, string(got[0].Data))
		})
	}
}

func TestAByteOrderMarkIsNoPartOfTheFirstColumn(t *testing.T) {
	tab, err := openTable(aTable(t, "t.csv", "\ufeffid,name\r\n1,ann\r\n"), 0)
	require.NoError(t, err)
	defer tab.rows.Cancel(nil)
	require.Equal(t, []string{"id", "name"}, tab.columns)
	first, err := tab.rows.Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"1", "ann"}, first.fields)
}

func TestRowsOutOfOrderAreAnError(t *testing.T) {
	sum := newTally()
	require.NoError(t, sum.add([]row{{Number: 1}, {Number: 2}}))
	require.EqualError(t, sum.add([]row{{Number: 4}}),
		"rows are out of order: row 4 came where 3 was due")
}

func TestTheSumTellsRowsApart(t *testing.T) {
	a, b := newTally(), newTally()
	require.NoError(t, a.add([]row{{1, []byte(`{"a":1}`)}}))
	require.NoError(t, b.add([]row{{1, []byte(`{"a":2}`)}}))
	require.NotEqual(t, a.sum(), b.sum())
}

func TestAMessageThatIsNoRowsEndsTheReceiver(t *testing.T) {
	src := stream.From(wsstream.Text(`[{"row":1,"data":{}}]`), wsstream.Text("[{]"))
	err := receive(t.Context(), src, rate.Inf, newTally())
	bad, ok := errors.AsType[*stream.DecodeError[wsstream.Message]](err)
	require.True(t, ok, err)
	require.Equal(t, "[{]", string(bad.Message.Data))
}

func TestASenderWhoseReceiverLeavesFails(t *testing.T) {
	client, server, closeAll, err := connect(t.Context())
	require.NoError(t, err)
	defer closeAll()
	tab, err := openTable("", 1_000_000)
	require.NoError(t, err)
	defer tab.rows.Cancel(nil)
	sent := make(chan error, 1)
	// ends with the connection
	go func() { sent <- send(t.Context(), client.Writable(), tab, 2, newTally()) }()
	_, err = server.Readable().Pull(t.Context())
	require.NoError(t, err)
	server.CloseNow()
	_, ok := errors.AsType[*wsstream.Error](<-sent)
	require.True(t, ok)
}
