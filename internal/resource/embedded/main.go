// Package embedded holds the backing servers that are part of msctl: NATS, Redis, Kafka and SMTP, each
// run as a process of its own by the hidden command `msctl embedded`. They listen on loopback only.
package embedded

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// server is one embedded server.
type server struct {
	Name, Doc string
	flags     func(*flag.FlagSet, *options)
	run       func(context.Context, options) error // until ctx is cancelled, then saves and ends
}

// servers is what `msctl embedded` takes.
var servers = []server{
	{"nats", "NATS with JetStream", common, runNATS},
	{"redis", "Redis in memory, saved to a file", common, runRedis},
	{"kafka", "one Kafka broker", common, runKafka},
	{"smtp", "SMTP server that keeps mail and shows it over HTTP", smtpFlags, runSMTP},
	{"rabbitmq", "an installed RabbitMQ with a port mapper of its own", rabbitFlags, runRabbitMQ},
}

// options is what the servers are told.
type options struct {
	Addr   string    // 127.0.0.1:PORT
	Dir    string    // data folder, exists
	HTTP   string    // smtp: 127.0.0.1:PORT of the mailbox page
	Epmd   string    // rabbitmq: path of the port mapper
	User   string    // rabbitmq: user to run as
	Args   []string  // what is left after the flags
	Stdout io.Writer // one line per thing worth knowing
	Stderr io.Writer
}

func (o options) logf(format string, args ...any) {
	fmt.Fprintf(o.Stdout, "%s %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), fmt.Sprintf(format, args...))
}

// Main is the whole of the process `msctl embedded`: it runs the server named by args[0] until ctx is
// cancelled or the process is told to end.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	if len(args) == 0 {
		return fmt.Errorf("run embedded server: no name given, want one of %s", names())
	}
	for _, s := range servers {
		if s.Name != args[0] {
			continue
		}
		o := options{Stdout: stdout, Stderr: stderr}
		fs := flag.NewFlagSet(s.Name, flag.ContinueOnError)
		fs.SetOutput(stderr)
		s.flags(fs, &o)
		if err := fs.Parse(args[1:]); err != nil {
			return fmt.Errorf("run embedded %s: %w", s.Name, err)
		}
		o.Args = fs.Args()
		if err := s.run(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("run embedded %s: %w", s.Name, err)
		}
		return nil
	}
	return fmt.Errorf("run embedded server %q: unknown, want one of %s", args[0], names())
}

func names() string {
	var all []string
	for _, s := range servers {
		all = append(all, s.Name)
	}
	return strings.Join(all, ", ")
}

func common(fs *flag.FlagSet, o *options) {
	fs.StringVar(&o.Addr, "addr", "", "address to listen on, 127.0.0.1:PORT")
	fs.StringVar(&o.Dir, "dir", "", "folder that holds the data")
}

// loopback refuses an address that other machines could reach, and splits it.
func loopback(addr string) (host string, port int, err error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %q: %w", addr, err)
	}
	if !a.IP.IsLoopback() {
		return "", 0, fmt.Errorf("listen on %q: not a loopback address", addr)
	}
	return a.IP.String(), a.Port, nil
}

// replaceFile writes a file so that after a crash either the old or the new one is there, whole.
func replaceFile(path string, content []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
