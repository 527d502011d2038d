package flags

import (
	"context"
	"sync/atomic"

	"github.com/open-feature/go-sdk/openfeature"
)

// provider answers OpenFeature from the set that was read last.
type provider struct{ set atomic.Pointer[set] }

var _ openfeature.FeatureProvider = (*provider)(nil)

// Metadata names the provider.
func (p *provider) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: "flag file"} }

// Hooks returns none.
func (p *provider) Hooks() []openfeature.Hook { return nil }

// BooleanEvaluation returns a flag whose variants are true and false.
func (p *provider) BooleanEvaluation(_ context.Context, name string, other bool,
	at openfeature.FlattenedContext,
) openfeature.BoolResolutionDetail {
	return resolve(p, name, other, at)
}

// StringEvaluation returns a flag whose variants are texts.
func (p *provider) StringEvaluation(_ context.Context, name string, other string,
	at openfeature.FlattenedContext,
) openfeature.StringResolutionDetail {
	return resolve(p, name, other, at)
}

// FloatEvaluation returns a flag whose variants are numbers.
func (p *provider) FloatEvaluation(_ context.Context, name string, other float64,
	at openfeature.FlattenedContext,
) openfeature.FloatResolutionDetail {
	return resolve(p, name, other, at)
}

// IntEvaluation returns a flag whose variants are numbers, without what is behind the point.
func (p *provider) IntEvaluation(_ context.Context, name string, other int64,
	at openfeature.FlattenedContext,
) openfeature.IntResolutionDetail {
	f := resolve(p, name, float64(other), at)
	return openfeature.IntResolutionDetail{Value: int64(f.Value),
		ProviderResolutionDetail: f.ProviderResolutionDetail}
}

// ObjectEvaluation returns a flag of any kind.
func (p *provider) ObjectEvaluation(_ context.Context, name string, other any,
	at openfeature.FlattenedContext,
) openfeature.InterfaceResolutionDetail {
	return resolve(p, name, other, at)
}

// resolve returns the value of a flag for the client that at names, or other.
func resolve[T any](p *provider, name string, other T, at openfeature.FlattenedContext) (
	out openfeature.GenericResolutionDetail[T],
) {
	out.Value = other
	var f flag
	ok := false
	if set := p.set.Load(); set != nil {
		f, ok = (*set)[name]
	}
	if !ok {
		out.ResolutionError = openfeature.NewFlagNotFoundResolutionError("there is no flag " + name)
		out.Reason = openfeature.ErrorReason
		return out
	}
	if f.State == "DISABLED" {
		out.Reason = openfeature.DisabledReason
		return out
	}
	client, _ := at[openfeature.TargetingKey].(string) // "" gets the default
	variant, split := f.variant(name, client)
	value, ok := f.Variants[variant].(T)
	if !ok {
		out.ResolutionError = openfeature.NewTypeMismatchResolutionError("flag " + name + " is of another type")
		out.Reason = openfeature.ErrorReason
		return out
	}
	out.Value, out.Variant, out.Reason = value, variant, openfeature.StaticReason
	if split {
		out.Reason = openfeature.SplitReason
	}
	return out
}
