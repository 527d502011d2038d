package cache_test

import (
	"context"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestScriptsAreSentWholeFirst checks that no hash of a script goes out that the server cannot know.
func TestScriptsAreSentWholeFirst(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		var sent commands
		c.AddHook(&sent)
		script := redis.NewScript("return ARGV[1]")
		for range 2 {
			if got, err := script.Run(t.Context(), c, nil, "hello").Text(); got != "hello" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if got, want := []string(sent), []string{"eval", "evalsha"}; !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	})
}

// commands are the names of those that went out.
type commands []string

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "hello" {
			*c = append(*c, cmd.Name())
		}
		return next(ctx, cmd)
	}
}
