// Package trial is what a client's command is made of: as trial.py, for clients in Go.
package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const limit = 45 * time.Second

// Start is not long ago, or retention would take what is written with it.
var Start = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

// Trial shows one capability; Show panics where it cannot be shown.
type Trial struct {
	Capability string
	Show       func(ctx context.Context, place *Place)
	// Cannot says why the client has no such capability.
	Cannot string
}

// Member reads a topic as part of a group until ctx ends, from its start where nothing is
// committed, in a session of 6 s, and tells of each record before that can be committed.
type Member func(
	ctx context.Context, place *Place, topic, group, protocol string, read func(int32, int64),
)

// Run shows the trials named on the command line, or all; one line of JSON for each.
//
// With --member, the addresses, a topic, a group and a protocol it is a member of that group
// instead.
func Run(trials []Trial, member Member) {
	args := os.Args[1:]
	if len(args) == 5 && args[0] == "--member" {
		beMember(member, args[1:])
		return
	}
	if len(args) == 0 {
		args = []string{"127.0.0.1:9092", "1"}
	}
	nodes, err := strconv.Atoi(args[1])
	Check(err)
	place, names := newPlace(args[0], nodes), args[2:]
	for _, each := range trials {
		if len(names) > 0 && !slices.Contains(names, each.Capability) {
			continue
		}
		if each.Cannot != "" {
			say(outcome{Capability: each.Capability, Outcome: "cannot", Reason: each.Cannot})
			continue
		}
		say(attempt(each, place))
	}
}

func beMember(join Member, args []string) {
	told, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	read := func(partition int32, offset int64) { fmt.Printf("=[%d,%d]\n", partition, offset) }
	join(told, newPlace(args[0], 1), args[1], args[2], args[3], read)
}

type outcome struct {
	Capability string `json:"capability"`
	Outcome    string `json:"outcome"`
	Reason     string `json:"reason,omitempty"`
	Ms         int64  `json:"ms,omitempty"`
}

// attempt waits no longer than the limit, whether or not the client heeds its context.
func attempt(trial Trial, place *Place) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	begun := time.Now()
	done := make(chan string, 1)
	go func() {
		defer func() {
			if failure := recover(); failure != nil {
				done <- fmt.Sprintf("%v %s", failure, where())
			}
			close(done)
		}()
		trial.Show(ctx, place)
	}()
	reason := ""
	select {
	case reason = <-done:
	case <-ctx.Done():
		reason = fmt.Sprintf("Not done within %v", limit)
	}
	if reason != "" {
		return outcome{Capability: trial.Capability, Outcome: "failed", Reason: reason}
	}
	ms := time.Since(begun).Milliseconds()
	return outcome{Capability: trial.Capability, Outcome: "passed", Ms: ms}
}

// where names the lines of the trials that a panic went through.
func where() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	var lines []string
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "main.") {
			lines = append(lines, fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line))
		}
		if !more {
			return strings.Join(lines, " ")
		}
	}
}

var answers = bufio.NewReader(os.Stdin)

// order asks whoever runs the command, on its stdout; the answer is a line on stdin.
func order(what map[string]int32) {
	say(what)
	_, err := answers.ReadString('\n')
	Check(err)
}

func say(line any) {
	text, err := json.Marshal(line)
	Check(err)
	fmt.Printf("@%s\n", text)
}

// Check panics with an error, if there is one.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// Must is the value, unless there is an error.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Same panics unless both are equal; a slice that is nil is not one that is empty.
func Same[T any](actual, expected T, what string) {
	if !reflect.DeepEqual(actual, expected) {
		panic(fmt.Errorf("%s is %.400s, not %.400s", what, show(actual), show(expected)))
	}
}

func show(value any) string { return fmt.Sprintf("%+v", value) }

// Until asks again until it is so.
func Until(what string, ask func() bool) {
	end := time.Now().Add(30 * time.Second)
	for !ask() {
		if time.Now().After(end) {
			panic(fmt.Errorf("not within 30 s: %s", what))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Texts are the numbers from 0 up, as texts.
func Texts(count int, prefix string) []string {
	texts := make([]string, count)
	for index := range texts {
		texts[index] = fmt.Sprintf("%s%d", prefix, index)
	}
	return texts
}

// Sorted is a sorted copy.
func Sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

// IsShared tells whether each member owns as many of the partitions as the others, and no two own
// the same.
func IsShared(partitions int, owned [][]int32) bool {
	all := map[int32]bool{}
	for _, each := range owned {
		if len(each) != partitions/len(owned) {
			return false
		}
		for _, partition := range each {
			all[partition] = true
		}
	}
	return len(all) == partitions
}
