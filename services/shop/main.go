// Command shop is the fleet's customer and its auditor: it seeds what there is to buy, places orders as
// many people would, and checks what must hold afterwards.
//
//	shop seed                          what there is to buy, who buys it, what they are told; idempotent
//	shop load --rate 50 --duration 10s orders by twenty people, a latency table, and then check
//	shop check                         the five invariants of the fleet
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"msctl.dev/msctl/services/kit"
)

// Exit codes.
const (
	exitHolds    = 0
	exitViolated = 1
	exitUsage    = 2
	exitFailed   = 3 // it could not be seeded, asked or checked
	exitStopped  = 130
)

const usage = `usage: shop seed | load [flags] | check [flags]

  seed    what there is to buy, who buys it and what they are told; may be run again
  load    places orders, prints how long they took, and checks
  check   the five invariants of the fleet

exit codes: 0 all holds, 1 an invariant does not or orders were lost, 2 usage, 3 the fleet cannot be asked, 130 interrupted
`

// errViolated says that an invariant does not hold; the report has said which.
var errViolated = errors.New("an invariant does not hold")

// errLost says that orders were not answered, or ended otherwise than they should. The report has said
// which.
var errLost = errors.New("orders were lost or ended wrong")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := command(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command runs one of the commands, and returns its exit code.
func command(ctx context.Context, args []string, env kit.Env, out, errs io.Writer) int {
	if len(args) == 0 {
		args = []string{"seed"}
	}
	run, err := parse(args, out, errs)
	if errors.Is(err, flag.ErrHelp) {
		return exitHolds
	}
	if err != nil {
		fmt.Fprintf(errs, "shop: %v\n", err)
		return exitUsage
	}
	quiet := func(name string) string {
		if v := env(name); v != "" || name != "LOG_LEVEL" {
			return v
		}
		return "warn"
	}
	app, err := kit.New(ctx, "shop", quiet, errs)
	if err == nil {
		err = app.Run(ctx, func(ctx context.Context, app *kit.App) error { return run(ctx, app) })
	}
	switch {
	case ctx.Err() != nil:
		return exitStopped
	case errors.Is(err, errViolated), errors.Is(err, errLost):
		return exitViolated
	case err != nil:
		fmt.Fprintf(errs, "shop: %v\n", err)
		return exitFailed
	}
	return exitHolds
}

// parse reads the command line.
func parse(args []string, out, errs io.Writer) (func(context.Context, *kit.App) error, error) {
	fs := flag.NewFlagSet("shop "+args[0], flag.ContinueOnError)
	fs.SetOutput(errs)
	switch args[0] {
	case "seed":
		if err := parseAll(fs, args[1:]); err != nil {
			return nil, err
		}
		return func(ctx context.Context, app *kit.App) error { return seed(ctx, app, out) }, nil
	case "load":
		l := load{out: out, errs: errs}
		l.flags(fs)
		if err := parseAll(fs, args[1:]); err != nil {
			return nil, err
		}
		return l.run, l.valid()
	case "check":
		c := check{out: out, errs: errs}
		c.flags(fs)
		if err := parseAll(fs, args[1:]); err != nil {
			return nil, err
		}
		return c.run, nil
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return nil, flag.ErrHelp
	}
	return nil, fmt.Errorf("%q is none of seed, load, check", args[0])
}

// parseAll is Parse, with words behind the flags as an error.
func parseAll(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%s: %q is no flag", fs.Name(), fs.Arg(0))
	}
	return nil
}
