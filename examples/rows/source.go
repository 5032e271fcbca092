package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wsstream/wsstream/stream"
)

// A raw is a row as it comes from the table: the fields of a CSV record, or a line of JSON.
type raw struct {
	number int64 // from 1
	fields []string
	json   string
}

// size is about what a row holds.
func (r raw) size() int {
	n := len(r.json) + 1
	for _, f := range r.fields {
		n += len(f)
	}
	return n
}

// A table is a stream of rows.
type table struct {
	rows    stream.Readable[raw]
	columns []string // of a CSV table
	total   int64    // how many rows there will be; 0 if unknown
}

// openTable opens the file at path by its name's end; without a path it makes up a table of n rows.
func openTable(path string, n int) (table, error) {
	if path == "" {
		return table{stream.FromSeq(madeUp(n)), madeUpColumns, int64(n)}, nil
	}
	var open func(*os.File) (table, error)
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		open = openCSV
	case ".jsonl", ".ndjson":
		open = openJSONL
	default:
		return table{}, fmt.Errorf("%s: want a .csv or a .jsonl file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return table{}, err
	}
	t, err := open(f)
	if err != nil {
		_ = f.Close()
		return table{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

var madeUpColumns = []string{"id", "customer", "city", "amount", "paid"}

// madeUp makes up n rows, the same in each run.
func madeUp(n int) iter.Seq[raw] {
	return func(yield func(raw) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		cities := []string{"Aachen", "Łódź", "São Paulo", "Zürich", `"The" City, "quoted"`}
		for i := range int64(n) {
			fields := []string{
				strconv.FormatInt(1_000_000+i, 10),
				fmt.Sprintf("customer %05d", random.IntN(100_000)),
				cities[random.IntN(len(cities))],
				strconv.FormatFloat(float64(random.IntN(1_000_000))/100, 'f', 2, 64),
				strconv.FormatBool(random.IntN(10) > 0),
			}
			if !yield(raw{number: i + 1, fields: fields}) {
				return
			}
		}
	}
}

// openCSV reads the header of a CSV table, without the byte order mark that spreadsheets put before
// it. The rest is read as it is pulled.
func openCSV(f *os.File) (table, error) {
	b := bufio.NewReader(f)
	if mark, _ := b.Peek(3); string(mark) == "\ufeff" {
		_, _ = b.Discard(3) // they were peeked at
	}
	r := csv.NewReader(b)
	columns, err := r.Read()
	if err == io.EOF {
		err = errors.New("no header")
	}
	if err != nil {
		return table{}, err
	}
	return table{rows: stream.FromSeq2(func(yield func(raw, error) bool) {
		defer f.Close() //nolint:errcheck // nothing was written
		for number := int64(1); ; number++ {
			fields, err := r.Read()
			if !yield(raw{number: number, fields: fields}, err) || err != nil {
				return
			}
		}
	}), columns: columns}, nil
}

// openJSONL reads lines as they are pulled. Empty ones are no rows.
func openJSONL(f *os.File) (table, error) {
	var number int64
	lines := stream.Lines(stream.FromReader(f, 0), maxRow)
	return table{rows: stream.Map(lines, func(line string) (raw, error) {
		if strings.TrimSpace(line) == "" {
			return raw{}, stream.Skip
		}
		number++
		return raw{number: number, json: line}, nil
	})}, nil
}
