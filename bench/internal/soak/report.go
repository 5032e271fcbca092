package soak

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const mib = 1 << 20

// Progress is how far the run is, in a line.
func (r *Result) Progress() string {
	p := r.Points[len(r.Points)-1]
	ended := 0
	for _, n := range r.Ends {
		ended += n
	}
	return fmt.Sprintf("%4.0f s: %d open, %d ended, %.0f messages/s, server %d MiB, clients %d MiB, "+
		"%d faults", p.Seconds, p.Open, ended, p.Messages, p.Server.RSS/mib, p.Clients.RSS/mib, r.Broken)
}

// Report is the result as text: the tables are Markdown.
func (r *Result) Report() string {
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	total := 0
	for _, n := range r.Ends {
		total += n
	}
	write("### soak: %d clients, %v, seed %d\n\n", r.Conns, r.For, r.Seed)
	write("| how a connection was ended | for the client | for the server | connections |\n")
	write("|---|---|---|---:|\n")
	ends := slices.SortedFunc(maps.Keys(r.Ends), func(a, b Outcome) int {
		return cmp.Or(cmp.Compare(r.Ends[b], r.Ends[a]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	for _, e := range ends {
		write("| %s | %v | %v | %d |\n", e.Act, e.Client, e.Server, r.Ends[e])
	}
	write("| all | | | %d |\n\n", total)
	if len(r.Failed) > 0 {
		write("| a handshake that failed | connections |\n|---|---:|\n")
		for _, why := range slices.Sorted(maps.Keys(r.Failed)) {
			write("| %s | %d |\n", why, r.Failed[why])
		}
		write("\n")
	}
	write("%d messages were accepted, and %d received: %.0f a second. "+
		"%d accepted ones did not arrive: their ends said so, or an Abort or CloseNow dropped them.\n",
		r.Sent, r.Received, r.MessagesRate, r.Lost)
	write("%d Writes were made again, after their context had ended. %d connections had no credit "+
		"for a while.\n", r.Retried, r.Stalled)
	write("One connection buffered at most %d bytes unread and %d unsent.\n", r.HeldIn, r.HeldOut)
	if len(r.Back) > 0 {
		write("%d restarts: %d clients came back, half of them within %.1f s, 99 %% within %.1f s, "+
			"all within %.1f s.\n", len(r.RestartsAt), len(r.Back), r.BackSeconds[0], r.BackSeconds[1],
			r.BackSeconds[2])
	}
	write("The processes used %.2f processors on average.\n\n", r.CPU)
	write("| process | goroutines before, after | descriptors | heap, MiB |\n|---|---|---|---|\n")
	for i, name := range []string{"server", "clients"} {
		u, v := r.Before[i], r.After[i]
		write("| %s | %d, %d | %d, %d | %.1f, %.1f |\n", name, u.Goroutines, v.Goroutines,
			u.Descriptors, v.Descriptors, float64(u.Heap)/mib, float64(v.Heap)/mib)
	}
	return b.String()
}
