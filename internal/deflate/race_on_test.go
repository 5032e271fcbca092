//go:build race

package deflate

// raceEnabled says that the race detector is on, under which pools drop what they are given and
// counts of allocations mean nothing.
const raceEnabled = true
