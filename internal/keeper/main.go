package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"msctl.dev/msctl/internal/output"
)

// socketFD is the descriptor on which the keeper talks to the supervisor that started it.
const socketFD = 3

// Main runs a keeper and returns its exit code: 0 when the unit ran, however that ended, 1 when it could
// not be started, [ExitBusy] when another keeper has it. The arguments only name the unit, for people who
// list processes.
func Main(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "msctl-keeper: it is started by msctl, with a specification on standard input")
		return 2
	}
	debug.SetGCPercent(50) // hundreds of keepers share a machine
	var spec Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		fmt.Fprintln(os.Stderr, "msctl-keeper: read specification:", err)
		return 2
	}
	os.Stdin.Close()
	seal()
	line := dial()
	defer line.end()
	held, err := lock(lockPath(spec.RunDir, spec.Unit))
	if err == nil && !held {
		return ExitBusy
	}
	if err != nil {
		err = fmt.Errorf("lock %s: %w", spec.Unit, err)
	}
	if err == nil {
		defer os.Remove(lockPath(spec.RunDir, spec.Unit))
		err = tend(spec, line)
	}
	if err != nil {
		line.send(Message{Failed: err.Error(), Short: Short(err)})
		return 1
	}
	return 0
}

// tend runs the unit to its end. The error says that it could not be started.
func tend(spec Spec, line *lifeline) error {
	if spec.Protocol != Protocol {
		return fmt.Errorf("msctl speaks protocol %d, its keeper %d: they are of different versions", spec.Protocol, Protocol)
	}
	if err := subreaper(); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	log, err := output.Open(spec.LogDir, output.Options{Notice: func(text string) {
		line.send(Message{Notice: text})
	}})
	if err != nil {
		return err
	}
	defer log.Close()
	u := &unit{spec: spec, line: line, log: log, path: RecordPath(spec.RunDir, spec.Unit)}
	defer u.limit.close()
	return u.run()
}

// lookPath finds a program as a shell in dir with that environment would.
func lookPath(name, dir string, env []string) (string, error) {
	if filepath.Base(name) != name {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	path := ""
	for _, v := range env {
		if len(v) > 5 && v[:5] == "PATH=" {
			path = v[5:]
		}
	}
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		if found := filepath.Join(folder, name); executable(found) == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("find %q: not in any folder of its PATH", name)
}

func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("find program: %w", err)
	}
	if st.IsDir() || st.Mode()&0o111 == 0 {
		return fmt.Errorf("find program: %s is not executable", path)
	}
	return nil
}
