//go:build pact

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/pact-foundation/pact-go/v2/provider"
	"golang.org/x/sync/errgroup"
)

// TestPlain is pact-go's verifier as a project would run it by itself: over the files of pacts, in one process,
// with some providers at the same time. The benchmark builds it and says in a file what there is to verify.
func TestPlain(t *testing.T) {
	file := os.Getenv("BENCH_PLAIN")
	if file == "" {
		t.Skip("needs the benchmark, which runs it")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []asked
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, one := range all {
		g.Go(func() error {
			return provider.NewVerifier().VerifyProvider(t, provider.VerifyRequest{
				Provider: one.Provider, ProviderBaseURL: one.URL, ProviderStatesSetupURL: one.URL + "/state",
				PactFiles: one.Pacts, DisableColoredOutput: true,
			})
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("PLAIN holds", len(all))
}
