package cli

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Run is the whole process: it takes everything from the system, runs one command and returns the exit
// code.
func Run() int {
	ctx := context.Background()
	if code, ran := runEarly(ctx, os.Args[1:]); ran {
		return code
	}
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	return Main(ctx, &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv: os.Getenv, Environ: os.Environ(), Dir: dir, Exe: self(), Signals: signals,
	}, os.Args[1:])
}

// self is the path that msctl was called by, where that is this program, so that a link keeps its
// meaning; else the program's own.
func self() string {
	own, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	called, err := exec.LookPath(os.Args[0])
	if err != nil {
		return own
	}
	if called, err = filepath.Abs(called); err != nil {
		return own
	}
	a, errA := os.Stat(called)
	b, errB := os.Stat(own)
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		return own
	}
	return called
}

// quits is where SIGQUIT arrives from now on, and SIGPIPE nowhere: a write to a closed pipe becomes an
// error. Programs that are started get both as usual.
func quits() (<-chan os.Signal, func()) {
	quit, pipe := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	signal.Notify(pipe, syscall.SIGPIPE)
	return quit, func() { signal.Stop(quit); signal.Stop(pipe) }
}
