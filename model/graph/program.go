package graph

import (
	"encoding/json"

	"pgregory.net/rapid"
)

// A Program is a graph of operators, and what becomes of its ends. It is data: it can be drawn,
// printed, kept and run again. Any numbers make a valid program.
type Program struct {
	Sources []Source
	Steps   []Step `json:",omitempty"`
	Sinks   []Sink // used in turn, one for each output that no step takes
}

// A Source delivers numbered items.
type Source struct {
	Kind  string // see sourceKinds
	Items int
	Gaps  []int  `json:",omitempty"` // milliseconds before each item, used in turn
	End   string // see sourceEnds
	Fail  bool   `json:",omitempty"` // its Cancel returns an error; its last line has no end
}

// A Step takes one output of the graph, or several, and makes one or several.
type Step struct {
	Kind string // see stepKinds
	Of   []int  // which outputs, modulo their number

	Mark  int  `json:",omitempty"` // a high-water mark, a limit or a parallelism
	Sized bool `json:",omitempty"` // the mark counts sizes
	Wait  int  `json:",omitempty"` // milliseconds
	Bare  bool `json:",omitempty"` // hide the capabilities of what it takes

	// The function of the step fails at item number At, and takes Slow milliseconds.
	At   int
	Do   string `json:",omitempty"` // see faults
	Slow int    `json:",omitempty"`

	Subs   []Sub `json:",omitempty"` // of a broadcast; a feed has one
	Replay int   `json:",omitempty"`
	Ctx    int   `json:",omitempty"` // milliseconds after which a pipe's context ends; 0: never
	Keep   int   `json:",omitempty"` // the bits PreventClose, PreventAbort, PreventCancel
}

// A Sub is a subscription.
type Sub struct {
	Policy string // see policies
	Mark   int
	Sized  bool `json:",omitempty"` // the mark counts sizes
	Grace  int  `json:",omitempty"` // milliseconds, of DisconnectAfter
	At     int  `json:",omitempty"` // milliseconds after which it comes
}

// A Sink consumes an output.
type Sink struct {
	Kind    string // see sinkKinds
	Gaps    []int  `json:",omitempty"` // milliseconds before each Pull or during each Write
	Pullers int    `json:",omitempty"`
	Ctx     []int  `json:",omitempty"` // of each Pull: 0 lasts, -1 has ended, else milliseconds
	Stop    int    // it stops behind this many chunks; negative: at the end
	How     string `json:",omitempty"` // see stops
	Late    int    `json:",omitempty"` // milliseconds after which another goroutine cancels
}

var (
	sourceKinds = []string{"script", "from", "seq", "chan", "reader", "conn", "netreader"}
	sourceEnds  = []string{"eof", "eof", "eof", "error", "idle", "panic"}
	stepKinds   = []string{
		"map", "filter", "scan", "flatmap", "through", "batch", "batchnow", "throttle", "parallel",
		"stage", "tee", "merge", "concat", "queue", "mapqueue", "codec", "lines", "broadcast",
		"gather", "join", "copy", "feed",
	}
	faults    = []string{"", "", "", "skip", "skipall", "error", "eof", "panic", "negative"}
	policies  = []string{"block", "newest", "oldest", "latest", "disconnect", "after"}
	sinkKinds = []string{"pull", "pull", "pull", "collect", "sink", "chan", "writer", "discard"}
	stops     = []string{"cancel", "leave", "refuse", "end", "stall"}
)

// Programs draws programs.
func Programs() *rapid.Generator[Program] {
	return rapid.Custom(func(t *rapid.T) Program {
		return Program{
			Sources: rapid.SliceOfN(rapid.Custom(drawSource), 1, 3).Draw(t, "sources"),
			Steps:   rapid.SliceOfN(rapid.Custom(drawStep), 0, 6).Draw(t, "steps"),
			Sinks:   rapid.SliceOfN(rapid.Custom(drawSink), 1, 3).Draw(t, "sinks"),
		}
	})
}

func one(t *rapid.T, name string, of []string) string { return rapid.SampledFrom(of).Draw(t, name) }

// rare returns 0 in most cases, else a number from low to high.
func rare(t *rapid.T, name string, low, high int) int {
	if rapid.IntRange(0, 3).Draw(t, name+"?") < 3 {
		return 0
	}
	return rapid.IntRange(low, high).Draw(t, name)
}

func drawGaps(t *rapid.T) []int {
	return rapid.SliceOfN(rapid.IntRange(0, 3), 0, 3).Draw(t, "gaps")
}

func drawSource(t *rapid.T) Source {
	return Source{
		Kind:  one(t, "kind", sourceKinds),
		Items: rapid.IntRange(0, 9).Draw(t, "items"),
		Gaps:  drawGaps(t),
		End:   one(t, "end", sourceEnds),
		Fail:  rare(t, "fail", 0, 1) == 1,
	}
}

func drawStep(t *rapid.T) Step {
	s := Step{
		Kind:  one(t, "kind", stepKinds),
		Of:    rapid.SliceOfN(rapid.IntRange(0, 5), 1, 3).Draw(t, "of"),
		Mark:  rapid.IntRange(0, 3).Draw(t, "mark"),
		Sized: rare(t, "sized", 0, 1) == 1,
		Wait:  rapid.IntRange(0, 4).Draw(t, "wait"),
		Bare:  rare(t, "bare", 0, 1) == 1,
		At:    rapid.IntRange(0, 8).Draw(t, "at"),
		Do:    one(t, "do", faults),
		Slow:  rare(t, "slow", 1, 4),
		Ctx:   rare(t, "ctx", 1, 12),
		Keep:  rare(t, "keep", 0, 7),
	}
	switch s.Kind {
	case "feed":
		s.Subs = []Sub{drawSub(t)}
	case "broadcast":
		s.Bare = rapid.Bool().Draw(t, "bare") // Publish waits for room, or Ready does
		s.Replay = rare(t, "replay", 1, 2)
		s.Subs = rapid.SliceOfN(rapid.Custom(drawSub), 1, 3).Draw(t, "subs")
	}
	return s
}

func drawSub(t *rapid.T) Sub {
	return Sub{
		Policy: one(t, "policy", policies),
		Mark:   rapid.IntRange(0, 3).Draw(t, "mark"),
		Sized:  rare(t, "sized", 0, 1) == 1,
		Grace:  rapid.IntRange(0, 5).Draw(t, "grace"),
		At:     rare(t, "at", 1, 8),
	}
}

func drawSink(t *rapid.T) Sink {
	return Sink{
		Kind:    one(t, "kind", sinkKinds),
		Gaps:    drawGaps(t),
		Pullers: 1 + rare(t, "pullers", 1, 2),
		Ctx:     rapid.SliceOfN(rapid.IntRange(-1, 4), 0, 3).Draw(t, "ctx"),
		Stop:    rare(t, "stop", 1, 7) - 1,
		How:     one(t, "how", stops),
		Late:    rare(t, "late", 1, 12),
	}
}

func (p Program) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(text)
}
