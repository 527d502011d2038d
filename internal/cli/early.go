package cli

import (
	"context"
	"fmt"
	"os"

	"msctl.dev/msctl/internal/driver/container"
	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/resource/embedded"
)

// early is what msctl runs as its own helper, before anything of the command line is made.
var early = map[string]func(ctx context.Context, args []string) int{
	"keeper":          func(_ context.Context, args []string) int { return keeper.Main(args) },
	"reap-containers": func(_ context.Context, args []string) int { return container.ReapMain(args) },
	"embedded": func(ctx context.Context, args []string) int {
		if err := embedded.Main(ctx, args, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintf(os.Stderr, "msctl: %v\n", err)
			return exitFailed
		}
		return exitOK
	},
}

// runEarly runs one of msctl's helpers when args name one, and reports whether they did.
func runEarly(ctx context.Context, args []string) (code int, ran bool) {
	if len(args) == 0 {
		return 0, false
	}
	run, known := early[args[0]]
	if !known {
		return 0, false
	}
	return run(ctx, args[1:]), true
}
