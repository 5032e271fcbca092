package main

import (
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// An entry is a line of the log. Viewers get it as JSON.
type entry struct {
	Time    time.Time  `json:"time,omitzero"`
	Level   slog.Level `json:"level"`
	Service string     `json:"service,omitempty"`
	Msg     string     `json:"msg"`
}

// parse makes an entry of a line. It parses a line of slog's JSON handler. Any other line is the
// message as a whole, with the level that it names.
func parse(line string) (entry, error) {
	if strings.TrimSpace(line) == "" {
		return entry{}, stream.Skip
	}
	var e entry
	if json.Unmarshal([]byte(line), &e) == nil && e.Msg != "" {
		return e, nil
	}
	return entry{Level: levelIn(line), Msg: line}, nil
}

func levelIn(line string) slog.Level {
	for _, level := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelDebug} {
		if strings.Contains(line, level.String()) {
			return level
		}
	}
	return slog.LevelInfo
}

// An item is an entry as it is broadcast: encoded, once for all viewers.
type item struct {
	service string
	msg     wsstream.Message
}

var entries = wsstream.JSON[entry]()

func (e entry) item() (item, error) {
	m, err := entries.Encode(e)
	return item{e.Service, m.Prepare()}, err
}

// items is the pipeline from a file's bytes to what is broadcast.
func items(chunks stream.Readable[[]byte], lowest slog.Level) stream.Readable[item] {
	lines := stream.Lines(chunks, 1<<20)
	parsed := stream.Map(lines, parse)
	wanted := stream.Filter(parsed, func(e entry) bool { return e.Level >= lowest })
	return stream.Map(wanted, entry.item)
}
