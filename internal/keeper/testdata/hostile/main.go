// Command hostile is a service with bad manners, for tests of what owns processes.
//
// Usage: hostile MODE [ARGUMENT]. Most modes print "ready" and wait until they are ended.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	mode, arg := os.Args[1], ""
	if len(os.Args) > 2 {
		arg = os.Args[2]
	}
	run, ok := modes[mode]
	if !ok {
		fmt.Fprintln(os.Stderr, "hostile: unknown mode", mode)
		os.Exit(2)
	}
	run(arg)
}

var modes = map[string]func(string){
	"silent":  func(string) { polite() },
	"ignore":  func(string) { ignore(); wait() },          // TERM, INT and HUP do nothing
	"leader":  func(string) { child("ignore"); polite() }, // goes on TERM, its child does not
	"fork":    func(string) { child("silent"); polite() },
	"setsid":  func(string) { detached(os.Environ(), "wait"); polite() },
	"escape":  func(string) { detached(nil, "orphan"); polite() }, // two forks, new session, no environment
	"orphan":  func(string) { detached(nil, "ignore") },
	"wait":    func(string) { wait() },
	"sigpipe": sigpipe,
	"chatty":  chatty,
	"lines":   lines,
	"exit":    func(arg string) { fmt.Println("bye"); os.Exit(number(arg)) },
	"kill":    func(string) { syscall.Kill(os.Getpid(), syscall.SIGKILL); wait() },
	"holds":   func(string) { child("wait"); fmt.Println("gone"); os.Exit(3) }, // the child keeps stdout open
	"crash":   func(string) { detached(os.Environ(), "ignore"); os.Exit(3) },
	"env":     func(arg string) { fmt.Printf("%q\n", os.Getenv(arg)); polite() },
	"args":    func(arg string) { fmt.Printf("%q\n", os.Args[2:]); polite() },
	"endless": endless,
	"crowd":   crowd,
	"bomb":    bomb,
	"eat":     eat,
	"burn": func(string) {
		ready()
		for {
		}
	},
	"nofile":    nofile,
	"signalled": signalled,
}

// ready says that all is set up, to who reads the output and to who started this as a child.
func ready() {
	fmt.Println("ready", os.Getpid())
	if len(os.Args) > 2 && os.Args[2] == "child" {
		up := os.NewFile(3, "up")
		up.Write([]byte{1})
		up.Close()
	}
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }

func wait() {
	ready()
	for {
		time.Sleep(time.Hour)
	}
}

// polite ends with 0 at the first signal that asks for it.
func polite() { politely(func() {}) }

// politely does work meanwhile.
func politely(work func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	ready()
	go work()
	<-c
	os.Exit(0)
}

func ignore() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) }

// child starts a mode in this group and session; it is up when child returns.
func child(mode string) { start(os.Environ(), nil, mode) }

// detached starts a mode in a session of its own, without the output.
func detached(env []string, mode string) {
	start(env, &syscall.SysProcAttr{Setsid: true}, mode)
}

func start(env []string, attr *syscall.SysProcAttr, mode string) {
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(9)
	}
	c := exec.Command(os.Args[0], mode, "child")
	c.ExtraFiles = []*os.File{w}
	c.Env, c.SysProcAttr = env, attr
	if env == nil {
		c.Env = []string{}
	}
	if attr == nil {
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
	}
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(9)
	}
	w.Close()
	r.Read(make([]byte, 1)) // the child is set up, or has ended
	r.Close()
	if mode == "orphan" {
		c.Wait()
	}
}

func sigpipe(string) {
	signal.Ignore(syscall.SIGPIPE)
	chatty("50ms")
}

// chatty prints a line at each interval.
func chatty(interval string) {
	d, err := time.ParseDuration(interval)
	if err != nil {
		d = 10 * time.Millisecond
	}
	politely(func() {
		for i := 1; ; i++ {
			fmt.Println("line", i)
			time.Sleep(d)
		}
	})
}

// lines prints so many lines at once and exits 0.
func lines(n string) {
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := 1; i <= number(n); i++ {
		w.WriteString("line ")
		w.WriteString(strconv.Itoa(i))
		w.WriteByte('\n')
	}
	w.Flush()
}

// endless prints so many MiB without a newline, then a line, and waits.
func endless(mib string) {
	block := strings.Repeat("x", 1<<20)
	for range number(mib) {
		os.Stdout.WriteString(block)
	}
	fmt.Println()
	polite()
}

// crowd starts so many children that ignore signals.
func crowd(n string) {
	for range number(n) {
		child("ignore")
	}
	polite()
}

// eat takes so many MiB of memory.
func eat(mib string) {
	var held [][]byte
	politely(func() {
		for range number(mib) {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			held = append(held, b)
			time.Sleep(time.Millisecond)
		}
		fmt.Println("ate", len(held))
	})
}

// nofile prints what was inherited: open files beyond the standard ones, and the limit of them.
func nofile(string) {
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		if to, err := os.Readlink("/proc/self/fd/" + n.Name()); err == nil && number(n.Name()) > 2 {
			if !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/proc/") && !strings.HasPrefix(to, "/sys/") {
				fmt.Println("inherited", n.Name(), to)
			}
		}
	}
	polite()
}

// signalled prints each signal that it gets.
func signalled(string) {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	ready()
	for s := range c {
		fmt.Println("got", s)
		if s != syscall.SIGHUP {
			os.Exit(0)
		}
	}
}
