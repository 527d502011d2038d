package cli

import (
	"errors"
	"fmt"
	"strings"
)

// The exit codes of every command. `run` and `exec` pass on their command's own code.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitStack      = 3
	exitNotRunning = 4
	exitTimeout    = 124
	exitHangup     = 129
	exitInterrupt  = 130
	exitQuit       = 131
	exitTerminated = 143
)

var exitCodes = []struct {
	code int
	doc  string
}{
	{exitOK, "done"},
	{exitFailed, "it failed; the message says why"},
	{exitUsage, "the command line is wrong"},
	{exitStack, "stack.yaml is wrong or missing"},
	{exitNotRunning, "something that is needed does not run, or does not answer"},
	{exitTimeout, "the time given was over"},
	{exitHangup, "ended by a closed terminal"},
	{exitInterrupt, "ended by Ctrl-C"},
	{exitQuit, "ended by Ctrl-\\"},
	{exitTerminated, "ended by TERM"},
}

// exitHelp lists the exit codes for the help.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "\n  %3d  %s", c.code, c.doc)
	}
	b.WriteString("\n`run` and `exec` pass on the code of their command.")
	return b.String()
}

// codedError is an error with the exit code and the hint that go with it.
type codedError struct {
	err  error
	code int
	hint string
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usage is an error of the command line.
func usage(hint, format string, args ...any) error {
	return &codedError{fmt.Errorf(format, args...), exitUsage, hint}
}

// notRunning is an error about something that is needed and does not run.
func notRunning(hint, format string, args ...any) error {
	return &codedError{fmt.Errorf(format, args...), exitNotRunning, hint}
}

// failed is any other error with a hint.
func failed(hint, format string, args ...any) error {
	return &codedError{fmt.Errorf(format, args...), exitFailed, hint}
}

// silent ends the process with a code without a message: the command itself said what there is to say.
type silent int

func (s silent) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

// exitCode returns what the process exits with after err.
func exitCode(err error) int {
	var coded *codedError
	var sig *signalled
	var quiet silent
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &sig):
		return sig.code()
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &coded):
		return coded.code
	case stackMistake(err):
		return exitStack
	}
	return exitFailed
}
