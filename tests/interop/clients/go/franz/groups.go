package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"strom/interop/trial"
)

func msOf(count int) time.Duration { return time.Duration(count) * time.Millisecond }

// grouped has a client be a member of a group, by either protocol. By the newer one the cluster
// decides how long a session is.
func grouped(topic, group, protocol string, more ...kgo.Opt) []kgo.Opt {
	options := []kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(msOf(100)),
		kgo.SessionTimeout(msOf(6000)),
		kgo.HeartbeatInterval(msOf(200)),
	}
	if protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return append(options, more...)
}

func resume(ctx context.Context, place *trial.Place) {
	for _, protocol := range protocols {
		resumeBy(ctx, place, protocol)
	}
}

func resumeBy(ctx context.Context, place *trial.Place, protocol string) {
	topic, group := place.Fresh("resume"), place.Fresh("group")
	produce(ctx, place, topic, trial.Texts(10, "v"))
	readOn(ctx, place, topic, group, protocol, 10)
	produce(ctx, place, topic, trial.Texts(5, "w"))
	found := readOn(ctx, place, topic, group, protocol, 5)
	trial.Same(found, trial.Texts(5, "w"), "What was read then")
	admin := connectAdmin(place)
	defer admin.Close()
	committed := func() kadm.Offset {
		offset, _ := trial.Must(admin.FetchOffsets(ctx, group)).Lookup(topic, 0)
		trial.Check(offset.Err)
		return offset.Offset
	}
	trial.Same(committed().At, 15, "The committed offset")
	altered := kadm.Offset{Topic: topic, At: 12, Metadata: "by hand"}
	var offsets kadm.Offsets
	offsets.Add(altered)
	trial.Check(admin.CommitAllOffsets(ctx, group, offsets))
	trial.Same(committed().At, altered.At, "The altered offset")
	trial.Same(committed().Metadata, altered.Metadata, "What was committed with it")
}

func readOn(
	ctx context.Context, place *trial.Place, topic, group, protocol string, count int,
) []string {
	reader := connect(place, grouped(topic, group, protocol, kgo.DisableAutoCommit())...)
	defer reader.Close()
	found := values(take(ctx, reader.PollFetches, count))
	trial.Check(reader.CommitUncommittedOffsets(ctx))
	return found
}

// member reads in a goroutine of its own, and knows what it owns.
type member struct {
	client *kgo.Client
	done   chan struct{}
	lock   sync.Mutex
	owned  map[int32]bool
	found  []string
	failed error
}

func newMember(ctx context.Context, place *trial.Place, topic, group, protocol string) *member {
	each := &member{done: make(chan struct{}), owned: map[int32]bool{}}
	note := func(isOwned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			each.lock.Lock()
			defer each.lock.Unlock()
			for _, partition := range partitions[topic] {
				if isOwned {
					each.owned[partition] = true
				} else {
					delete(each.owned, partition)
				}
			}
		}
	}
	each.client = connect(place, grouped(topic, group, protocol, kgo.AutoCommitInterval(msOf(100)),
		kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)),
		kgo.OnPartitionsLost(note(false)))...)
	go each.run(ctx)
	return each
}

func (each *member) run(ctx context.Context) {
	defer close(each.done)
	for {
		fetches := each.client.PollFetches(ctx)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			return
		}
		each.lock.Lock()
		each.failed = errors.Join(each.failed, fetches.Err())
		each.found = append(each.found, values(fetches.Records())...)
		each.lock.Unlock()
	}
}

func (each *member) leave() {
	each.client.Close()
	<-each.done
}

// partitions are those that it owns.
func (each *member) partitions() []int32 {
	each.lock.Lock()
	defer each.lock.Unlock()
	trial.Check(each.failed)
	return slices.Collect(maps.Keys(each.owned))
}

// read is what it has read, in the order in which it has.
func (each *member) read() []string {
	each.lock.Lock()
	defer each.lock.Unlock()
	trial.Check(each.failed)
	return slices.Clone(each.found)
}

func rebalance(ctx context.Context, place *trial.Place) {
	for _, protocol := range protocols {
		rebalanceBy(ctx, place, protocol)
	}
}

func rebalanceBy(ctx context.Context, place *trial.Place, protocol string) {
	topic, group := place.Fresh("shared"), place.Fresh("group")
	create(ctx, place, topic, 6)
	members := make([]*member, 3)
	for index := range members {
		members[index] = newMember(ctx, place, topic, group, protocol)
	}
	trial.Until("two partitions each", func() bool { return isShared(members) })
	members[0].leave()
	rest := members[1:]
	trial.Until("three partitions each", func() bool { return isShared(rest) })
	sender := connect(place, kgo.DefaultProduceTopic(topic))
	defer sender.Close()
	for _, value := range trial.Texts(60, "v") {
		record := kgo.KeyStringRecord(value, value)
		sender.Produce(ctx, record, nil)
	}
	trial.Check(sender.Flush(ctx))
	found := func() []string { return append(rest[0].read(), rest[1].read()...) }
	trial.Until("all records", func() bool { return len(found()) >= 60 })
	trial.Same(trial.Sorted(found()), trial.Sorted(trial.Texts(60, "v")), "What was read")
	admin := kadm.NewClient(sender)
	state, size := describe(ctx, admin, group, protocol)
	trial.Same(state, "Stable", "The state")
	trial.Same(size, 2, "The number of members")
	for _, each := range rest {
		each.leave()
	}
	listed := trial.Must(admin.ListGroupsByType(ctx, []string{protocol}))
	trial.Same(listed[group].State, "Empty", "The state of the group in the list")
	trial.Check(trial.Must(admin.DeleteGroup(ctx, group)).Err)
}

// isShared tells whether these members, and nobody else, have all partitions.
func isShared(members []*member) bool {
	owned := make([][]int32, len(members))
	for index, each := range members {
		owned[index] = each.partitions()
	}
	return trial.IsShared(6, owned)
}

// describe tells the state of a group and how many members it has.
func describe(
	ctx context.Context, admin *kadm.Client, group, protocol string,
) (state string, members int) {
	if protocol == "classic" {
		described := trial.Must(admin.DescribeGroups(ctx, group))[group]
		trial.Check(described.Err)
		trial.Same(described.Protocol, "cooperative-sticky", "The assignor")
		return described.State, len(described.Members)
	}
	described := trial.Must(admin.DescribeConsumerGroups(ctx, group))[group]
	trial.Check(described.Err)
	trial.Same(described.AssignorName, "uniform", "The assignor")
	return described.State, len(described.Members)
}

// join commits what it has told of: what a poll gave can be committed from the next poll on.
func join(
	ctx context.Context, place *trial.Place, topic, group, protocol string, read func(int32, int64),
) {
	client := connect(place, grouped(topic, group, protocol, kgo.AutoCommitInterval(msOf(100)))...)
	defer client.Close()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			read(record.Partition, record.Offset)
		})
	}
}
