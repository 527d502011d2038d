package cache

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"
)

// scripts remembers which scripts this client has sent whole. A script that was not is refused here, as
// the server would: its sender then sends it whole, and no failed command stands in the trace of the first
// request that needs it.
type scripts struct{ sent sync.Map } // by hash

// noScript is the answer to the hash of an unknown script.
type noScript struct{}

func (noScript) Error() string { return "NOSCRIPT not sent yet" }

// RedisError makes it an answer of the server to those who ask.
func (noScript) RedisError() {}

// DialHook does nothing.
func (*scripts) DialHook(next redis.DialHook) redis.DialHook {
	return next
}

// ProcessPipelineHook does nothing.
func (*scripts) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook refuses what was not sent whole before.
func (s *scripts) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		switch cmd.Name() {
		case "evalsha":
			if _, known := s.sent.Load(argument(cmd)); !known {
				cmd.SetErr(noScript{})
				return noScript{}
			}
		case "eval":
			err := next(ctx, cmd)
			if err == nil || errors.Is(err, redis.Nil) {
				s.sent.Store(redis.NewScript(argument(cmd)).Hash(), true)
			}
			return err
		}
		return next(ctx, cmd)
	}
}

// argument is the script of a command, or its hash.
func argument(cmd redis.Cmder) string {
	if args := cmd.Args(); len(args) > 1 {
		text, _ := args[1].(string)
		return text
	}
	return ""
}
