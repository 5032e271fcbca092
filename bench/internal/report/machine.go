package report

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// A Machine is where and of what results were measured.
type Machine struct {
	Date       time.Time
	CPU        string
	Cores      int
	MaxProcs   int
	Kernel     string
	OS, Arch   string
	Go         string
	Commit     string // with a + behind it if files had been changed
	Libraries  map[string]string
	Runs       int
	RunSeconds float64
	Quick      bool
}

// Here describes this machine and program. What it cannot find out stays empty.
func Here() Machine {
	m := Machine{
		Date:      time.Now().UTC().Truncate(time.Second),
		CPU:       field("/proc/cpuinfo", "model name"),
		Cores:     runtime.NumCPU(),
		MaxProcs:  runtime.GOMAXPROCS(0),
		OS:        runtime.GOOS,
		Arch:      runtime.GOARCH,
		Go:        runtime.Version(),
		Commit:    commit(),
		Libraries: map[string]string{},
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(release))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/gorilla/websocket", "github.com/coder/websocket", "github.com/lxzan/gws",
				"github.com/lesismal/nbio", "github.com/gobwas/ws":
				m.Libraries[d.Path] = d.Version
			}
		}
	}
	return m
}

// field is the value of the first line of a file that starts with name.
func field(file, name string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// commit is that of the tree in the current directory.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	hash := strings.TrimSpace(string(out))
	if changed, err := exec.Command("git", "status", "--porcelain").Output(); err != nil ||
		len(changed) > 0 {
		hash += "+"
	}
	return hash
}

// A File is all that one call of the program measured.
type File struct {
	Machine Machine
	Results []Result
	Goals   []Goal
}

// Read reads what Write wrote.
func Read(name string) (f File, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("%s is no file that -json wrote: %w", name, err)
	}
	return f, nil
}

// Write writes f as JSON.
func (f File) Write(name string) error {
	data, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

// String is the machine in a line.
func (m Machine) String() string {
	return fmt.Sprintf("%s · %d × %s, GOMAXPROCS %d · %s %s · %s · commit %s · %d runs of %g s",
		m.Date.Format(time.DateOnly),
		m.Cores, m.CPU, m.MaxProcs, m.OS, m.Kernel, m.Go, m.Commit, m.Runs, m.RunSeconds)
}
