package cli

import (
	"context"
	"fmt"
	"math"
	"syscall"
)

// enoughFiles is how many files msctl may want to have open: an edge takes two for each connection, and what is kept
// free for the rest leaves some 1,500 connections of it.
const enoughFiles = 4096

func examineFiles(context.Context, *patient) []finding {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // nothing limits them
	}
	return []finding{judgeFiles(uint64(limit.Max))}
}

// judgeFiles says whether a hard limit of open files, to which msctl raises its own, is enough.
func judgeFiles(most uint64) finding {
	f := finding{Area: "limits", Name: "open files", OK: most >= enoughFiles, Text: fmt.Sprintf("up to %d", most)}
	switch {
	case most >= math.MaxInt64:
		f.Text = "no limit"
	case !f.OK:
		f.Text = fmt.Sprintf("only %d (ulimit -Hn): an edge takes two for each connection; %d or more are better", most, enoughFiles)
	}
	return f
}
