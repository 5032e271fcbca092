package conn

import "slices"

// A judge compares the record of a run with the model.
type judge struct {
	*run
	calls   []*call
	in, out transcript
	read    int // bytes of frames that the Conn has surely read
	fuzzy   int // from here on the input may mean anything
}

// judge judges a run that has ended.
func (r *run) judge() {
	if r.conn == nil || r.last.pull == nil {
		return
	}
	j := &judge{run: r, calls: r.sorted()}
	in, out := r.peer.sent(), r.peer.got()
	if r.near != nil {
		in, out = r.near.in.frames(), r.near.out.frames()
		j.read = len(in)
	}
	j.in, j.out = r.transcripts(in, out)
	j.fuzzy = len(in) + 1
	for _, f := range r.p.Peer.Faults {
		if f.Do == faultCorrupt && r.p.Deflate != nil {
			j.fuzzy = min(j.fuzzy, f.At)
		}
	}
	j.input()
	j.output()
	j.results()
	j.ends()
	j.figures()
	j.inTime()
}

// called returns the first of these calls.
func (j *judge) called(do ...string) *call {
	for _, c := range j.calls {
		if slices.Contains(do, c.do) {
			return c
		}
	}
	return nil
}
