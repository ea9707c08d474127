package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"strom/interop/trial"
)

func inGroup(all *sarama.Config) {
	all.Consumer.Group.Session.Timeout = 6 * time.Second
	all.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	all.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
}

// by has a member ask for that assignor; whoever says nothing has ranges.
func by(assignor sarama.BalanceStrategy) func(*sarama.Config) {
	return func(all *sarama.Config) {
		strategies := []sarama.BalanceStrategy{assignor}
		all.Consumer.Group.Rebalance.GroupStrategies = strategies
	}
}

// member reads in goroutines of its own until it leaves.
type member struct {
	group   sarama.ConsumerGroup
	topic   string
	read    func(*sarama.ConsumerMessage)
	leaving context.CancelFunc
	done    chan error
	lock    sync.Mutex
	session sarama.ConsumerGroupSession
}

func newMember(
	ctx context.Context, place *trial.Place, topic, group string,
	read func(*sarama.ConsumerMessage), changes ...func(*sarama.Config),
) *member {
	all := append([]func(*sarama.Config){inGroup}, changes...)
	each := &member{topic: topic, read: read, done: make(chan error, 1)}
	each.group = trial.Must(sarama.NewConsumerGroup(place.Brokers, group, config(all...)))
	ctx, each.leaving = context.WithCancel(ctx)
	go func() { each.done <- each.run(ctx) }()
	return each
}

// run joins again whenever the group shares its partitions out anew.
func (each *member) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := each.group.Consume(ctx, []string{each.topic}, each); err != nil {
			return err
		}
	}
	return nil
}

// leave commits what it has read, and leaves the group.
func (each *member) leave() {
	each.leaving()
	trial.Check(<-each.done)
	trial.Check(each.group.Close())
}

// owned are its partitions; nil while it has none.
func (each *member) owned() []int32 {
	if session := each.current(); session != nil {
		return session.Claims()[each.topic]
	}
	return nil
}

func (each *member) current() sarama.ConsumerGroupSession {
	each.lock.Lock()
	defer each.lock.Unlock()
	return each.session
}

func (each *member) Setup(session sarama.ConsumerGroupSession) error {
	each.lock.Lock()
	defer each.lock.Unlock()
	each.session = session
	return nil
}

func (each *member) Cleanup(sarama.ConsumerGroupSession) error { return each.Setup(nil) }

func (each *member) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for {
		select {
		case message, isOpen := <-claim.Messages():
			if !isOpen {
				return nil
			}
			each.read(message)
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

// collected is what members have read, one or several.
type collected struct {
	lock   sync.Mutex
	values []string
}

func (all *collected) add(message *sarama.ConsumerMessage) {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.values = append(all.values, string(message.Value))
}

func (all *collected) list() []string {
	all.lock.Lock()
	defer all.lock.Unlock()
	return slices.Clone(all.values)
}

func resume(ctx context.Context, place *trial.Place) {
	for _, version := range versions {
		resumeAs(ctx, place, version)
	}
}

func resumeAs(ctx context.Context, place *trial.Place, version sarama.KafkaVersion) {
	topic, group := place.Fresh("resume"), place.Fresh("group")
	produce(place, topic, trial.Texts(10, "v"))
	readOn(ctx, place, topic, group, 10, as(version))
	produce(place, topic, trial.Texts(5, "w"))
	found := readOn(ctx, place, topic, group, 5, as(version))
	trial.Same(found, trial.Texts(5, "w"), "What was read then")
	admin := trial.Must(sarama.NewClusterAdmin(place.Brokers, config(as(version))))
	defer closed(admin)
	trial.Same(committed(admin, group, topic).Offset, 15, "The committed offset")
	altered := sarama.OffsetAndMetadata{Offset: 12, Metadata: "by hand", LeaderEpoch: -1}
	trial.Must(admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{
		topic: {0: altered},
	}, nil))
	block := committed(admin, group, topic)
	trial.Same(block.Offset, altered.Offset, "The altered offset")
	trial.Same(block.Metadata, altered.Metadata, "What was committed with it")
}

func committed(
	admin sarama.ClusterAdmin, group, topic string,
) *sarama.OffsetFetchResponseBlock {
	asked := map[string][]int32{topic: {0}}
	found := trial.Must(admin.ListConsumerGroupOffsets(group, asked))
	block := found.GetBlock(topic, 0)
	trial.Same(block.Err, sarama.ErrNoError, "The error")
	return block
}

func readOn(
	ctx context.Context, place *trial.Place, topic, group string, count int,
	change func(*sarama.Config),
) []string {
	var found collected
	reader := newMember(ctx, place, topic, group, found.add, change)
	trial.Until("all messages", func() bool { return len(found.list()) >= count })
	reader.leave()
	return found.list()
}

func rebalance(ctx context.Context, place *trial.Place) {
	for _, assignor := range []sarama.BalanceStrategy{
		sarama.NewBalanceStrategyRange(), sarama.NewBalanceStrategyCooperativeSticky(),
	} {
		rebalanceBy(ctx, place, assignor)
	}
}

func rebalanceBy(ctx context.Context, place *trial.Place, assignor sarama.BalanceStrategy) {
	topic, group := place.Fresh("shared"), place.Fresh("group")
	create(place, topic, 6, nil)
	var found collected
	members := make([]*member, 3)
	for index := range members {
		members[index] = newMember(ctx, place, topic, group, found.add, by(assignor))
	}
	trial.Until("two partitions each", func() bool { return isShared(members) })
	members[0].leave()
	rest := members[1:]
	trial.Until("three partitions each", func() bool { return isShared(rest) })
	sender := connectProducer(place)
	defer closed(sender)
	sent := messages(topic, trial.Texts(60, "v"))
	for _, message := range sent {
		message.Key = message.Value
	}
	trial.Check(sender.SendMessages(sent))
	trial.Until("all messages", func() bool { return len(found.list()) >= 60 })
	trial.Same(trial.Sorted(found.list()), trial.Sorted(trial.Texts(60, "v")), "What was read")
	admin := connectAdmin(place)
	defer closed(admin)
	described := trial.Must(admin.DescribeConsumerGroups([]string{group}))[0]
	trial.Same(described.State, "Stable", "The state")
	trial.Same(described.Protocol, assignor.Name(), "The assignor")
	trial.Same(len(described.Members), 2, "The number of members")
	for _, each := range rest {
		each.leave()
	}
	trial.Same(trial.Must(admin.ListConsumerGroups())[group], "consumer", "The listed group's type")
	trial.Check(admin.DeleteConsumerGroup(group))
}

// isShared tells whether these members, and nobody else, have all partitions.
func isShared(members []*member) bool {
	owned := make([][]int32, len(members))
	for index, each := range members {
		owned[index] = each.owned()
	}
	return trial.IsShared(6, owned)
}

// join marks, and so commits, what it has told of.
func join(
	ctx context.Context, place *trial.Place, topic, group, _ string, read func(int32, int64),
) {
	tell := func(message *sarama.ConsumerMessage) { read(message.Partition, message.Offset) }
	each := newMember(context.Background(), place, topic, group, tell)
	<-ctx.Done()
	each.leave()
}
