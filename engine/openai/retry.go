// SPDX-License-Identifier: Apache-2.0

package openai

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 250 * time.Millisecond
	longPause  = 8 * time.Second
	// answerMargin is what is kept of a request's time to hand the error back.
	answerMargin = 500 * time.Millisecond
)

// Retry repeats a call that may be repeated until it ends well, fails for good, or the time left (the shorter of
// budget and ctx) would not outlast the next pause. A Retry-After of OpenAI is honoured. It gives the last error.
func Retry(ctx context.Context, budget time.Duration, call func() error) error {
	return retry(ctx, budget, func(err error) bool { return !Definite(err) }, call)
}

// RetryUnmade repeats a call that must not happen twice: only after an error that certainly changed nothing and that
// a pause can heal.
func RetryUnmade(ctx context.Context, budget time.Duration, call func() error) error {
	return retry(ctx, budget, func(err error) bool { return Unmade(err) && !Definite(err) }, call)
}

// RetryFresh repeats a call with a key that was made a moment ago and may not be known everywhere yet.
func RetryFresh(ctx context.Context, budget time.Duration, call func() error) error {
	return retry(ctx, budget, func(error) bool { return true }, call)
}

func retry(ctx context.Context, budget time.Duration, again func(error) bool, call func() error) error {
	end := time.Now().Add(budget)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-answerMargin).Before(end) {
		end = deadline.Add(-answerMargin)
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := call()
		if err == nil || !again(err) || ctx.Err() != nil {
			return err
		}
		wait := pause/2 + rand.N(pause)
		if api, ok := errors.AsType[*Error](err); ok && api.RetryAfter > 0 {
			wait = api.RetryAfter + rand.N(firstPause)
		}
		if time.Now().Add(wait).After(end) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}
