// SPDX-License-Identifier: MIT
// A trainer with parts of one's own: a source, an optimizer, a reduction over ranks.
#include <barrier>
#include <cmath>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "support/files.hpp"
#include "support/same_bits.hpp"
#include "support/training.hpp"

namespace ttt::support {
namespace {

/// A source of one's own: countdowns from random numbers to 0, each as long as it is.
class Countdowns {
 public:
  struct Position {
    Rng rng{7};

    template <class F, class... P>
    static void visit(const F& f, P&... p) {
      for (std::size_t i = 0; i < Rng::words; ++i) f("word_" + std::to_string(i), p.rng.state[i]...);
    }
  };

  void next(Index n, Batch& batch) {
    batch = {Tensor<Token, 2>({n, longest}), Tensor<Token, 2>({n, longest}), {}};
    for (Index i = 0; i < n; ++i) {
      const Index length = 1 + static_cast<Index>(position_.rng.below(longest));
      batch.lengths.push_back(length);
      fill(batch.tokens[i], Token{-5});  // read by nobody
      fill(batch.targets[i], Token{-5});
      for (Index t = 0; t < length; ++t) {
        batch.tokens[i][t] = static_cast<Token>(length - t);
        batch.targets[i][t] = static_cast<Token>(length - t - 1);
      }
    }
  }
  void skip(Index n) {
    Batch batch;
    next(n, batch);
  }
  const Position& position() const { return position_; }
  void seek(const Position& position) { position_ = position; }
  std::string identity() const { return "countdowns"; }

  static constexpr Index longest = 20;

 private:
  Position position_;
};

/// An optimizer of one's own: gradient descent with momentum.
class Momentum {
 public:
  using Params = ModelParams<double>;

  explicit Momentum(const Params& params) : velocity_(params) { set_zero(velocity_); }

  void step(Params& params, const Params& gradient, double learning_rate, double gradient_factor) {
    ++updates_;
    Params::visit(
        [&](const auto&, auto& p, const auto& g, auto& v) {
          for (Index i = 0; i < values(p).size(); ++i) {
            values(v)[i] = 0.9 * values(v)[i] + gradient_factor * values(g)[i];
            values(p)[i] -= learning_rate * values(v)[i];
          }
        },
        params, gradient, velocity_);
  }

  template <class F, class... M>
  static void visit(const F& f, M&... m) {
    f("updates", m.updates_...);
    f("velocity", m.velocity_...);
  }

 private:
  Index updates_ = 0;
  Params velocity_;
};

/// An optimizer that remembers nothing, and cannot do its work.
struct Plain {
  void step(ModelParams<double>&, const ModelParams<double>&, double, double) { throw std::runtime_error("no"); }

  template <class F, class... P>
  static void visit(const F&, P&...) {}
};

TEST(Parts, WhereTheOptimizerThrowsTheSourceStaysWhereItWas) {
  const TextWindows windows(sentence(40), 24, 9);
  const TrainerConfig config = short_run(SequenceType::linear);
  const TemporaryDirectory temporary;
  Trainer<double, TextWindows, Plain> trainer(fresh_model<double>(SequenceType::linear), windows, config,
                                              [](const ModelParams<double>&) { return Plain(); });
  trainer.save(temporary.path() / "before");
  EXPECT_THROW(trainer.step(), std::runtime_error);
  trainer.save(temporary.path() / "after");
  EXPECT_EQ(get(temporary.path() / "after" / "training.json"), get(temporary.path() / "before" / "training.json"));
}

TEST(Parts, TakesASourceAndAnOptimizerOfOnesOwn) {
  using Run = Trainer<double, Countdowns, Momentum>;
  const TemporaryDirectory temporary;
  const auto momentum = [](const ModelParams<double>& params) { return Momentum(params); };
  TrainerConfig config = short_run(SequenceType::linear);
  config.learning_rate = {.init_lr = 0.3, .peak_lr = 0.3, .end_lr = 0.3, .warmup_steps = 0, .decay_steps = 100};
  Run whole(fresh_model<double>(SequenceType::linear), Countdowns(), config, momentum);
  const double first = whole.step().loss;
  EXPECT_NEAR(first, std::log(96.0), 0.2);
  for (int i = 1; i < 30; ++i) whole.step();
  whole.save(temporary.path() / "run");
  Run resumed = Run::resume(temporary.path() / "run", Countdowns(), config, momentum);
  EXPECT_EQ(resumed.steps(), 30);
  for (int i = 0; i < 3; ++i) {
    const double loss = whole.step().loss;
    EXPECT_LT(loss, first - 1);
    EXPECT_EQ(resumed.step().loss, loss);
  }
  EXPECT_TRUE(same_bits(whole.model().params(), resumed.model().params()));
  // A run is of one source and one optimizer.
  using OverText = Trainer<double, TextWindows, Momentum>;
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] {
                         OverText::resume(temporary.path() / "run", TextWindows(sentence(40), 24, 9), config, momentum);
                       }),
                       "source: expected countdowns, found windows of 24 tokens"));
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] {
                         Trainer<double, Countdowns>::resume(temporary.path() / "run", Countdowns(), config);
                       }),
                       "expected a tensor exp_avg."));
  using Forgetful = Trainer<double, Countdowns, Plain>;
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] {
                         Forgetful::resume(temporary.path() / "run", Countdowns(), config,
                                           [](const ModelParams<double>&) { return Plain(); });
                       }),
                       "tensor velocity."));
}

/// Gives each of two threads the sum of what both bring.
class SumOfTwo {
 public:
  void operator()(double& loss, ModelParams<double>& gradient) {
    {
      const std::lock_guard lock(mutex_);
      losses_.push_back(&loss);
      gradients_.push_back(&gradient);
    }
    both_are_here_.arrive_and_wait();
  }

 private:
  void add() noexcept {
    *losses_[0] = *losses_[1] = *losses_[0] + *losses_[1];
    ModelParams<double>::visit(
        [](const auto&, auto& a, auto& b) {
          for (Index i = 0; i < values(a).size(); ++i) values(a)[i] = values(b)[i] = values(a)[i] + values(b)[i];
        },
        *gradients_[0], *gradients_[1]);
    losses_.clear();
    gradients_.clear();
  }

  struct Add {
    SumOfTwo* sum;
    void operator()() noexcept { sum->add(); }
  };
  std::mutex mutex_;
  std::vector<double*> losses_;
  std::vector<ModelParams<double>*> gradients_;
  std::barrier<Add> both_are_here_{2, Add{this}};
};

TEST(Parts, RanksThatAddTheirGradientsTrainOneModel) {
  const TemporaryDirectory temporary;
  const TextWindows windows(sentence(40), 24, 9);
  TrainerConfig config = short_run(SequenceType::linear);
  config.micro_batches = 4;
  Trainer<double> alone(fresh_model<double>(SequenceType::linear), windows, config);

  SumOfTwo sum;
  std::vector<StepReport> reports[2];
  const auto rank = [&](Index number) {
    TrainerConfig share = config;
    share.shard = {.rank = number, .ranks = 2};
    Trainer<double> trainer(fresh_model<double>(SequenceType::linear), windows, share);
    trainer.reduce_with([&](double& loss, ModelParams<double>& gradient) { sum(loss, gradient); });
    for (int i = 0; i < 4; ++i) reports[number].push_back(trainer.step());
    if (number == 1) trainer.save(temporary.path() / "run");
  };
  std::thread other([&] { rank(1); });
  rank(0);
  other.join();
  for (std::size_t i = 0; i < 4; ++i) {
    const StepReport expected = alone.step();
    EXPECT_EQ(reports[0][i].loss, reports[1][i].loss);
    EXPECT_EQ(reports[0][i].gradient_norm, reports[1][i].gradient_norm);
    EXPECT_NEAR(reports[0][i].loss, expected.loss, 1e-12);
    EXPECT_NEAR(reports[0][i].gradient_norm, expected.gradient_norm, 1e-12 * expected.gradient_norm);
  }
  // What two ranks saved, one goes on with, over the same batches.
  auto resumed = Trainer<double>::resume(temporary.path() / "run", windows, config);
  EXPECT_NEAR(resumed.step().loss, alone.step().loss, 1e-12);
}

TEST(Parts, RefusesSharesThatAreNone) {
  const TextWindows windows(sentence(40), 24, 9);
  for (const Shard shard : {Shard{0, 0}, Shard{-1, 2}, Shard{2, 2}, Shard{0, 3}}) {
    TrainerConfig config = short_run(SequenceType::linear);
    config.micro_batches = 4;
    config.shard = shard;
    EXPECT_THROW(Trainer<float>(fresh_model<float>(SequenceType::linear), windows, config), ConfigError)
        << shard.rank << " of " << shard.ranks;
  }
  TrainerConfig config = short_run(SequenceType::linear);
  config.micro_batches = 4;
  config.shard = {.rank = 1, .ranks = 2};
  Trainer<float> lonely(fresh_model<float>(SequenceType::linear), windows, config);
  EXPECT_TRUE(contains(error_of<ConfigError>([&] { lonely.step(); }), "expected a reduction"));
  config.micro_batches = std::numeric_limits<Index>::max() - 1;
  EXPECT_THROW(Trainer<float>(fresh_model<float>(SequenceType::linear), windows, config), ConfigError);
}

TEST(Parts, AReductionSeesWhatIsAboutToBeClipped) {
  const TrainerConfig config = short_run(SequenceType::linear);
  const TextWindows windows(sentence(40), 24, 9);
  Trainer<float> plain(fresh_model<float>(SequenceType::linear), windows, config);
  Trainer<float> reduced(fresh_model<float>(SequenceType::linear), windows, config);
  double seen = 0;
  reduced.reduce_with([&](double& loss, ModelParams<float>& gradient) {
    seen = global_norm(gradient);
    loss *= 2;
    ModelParams<float>::visit(
        [](const auto&, auto& t) {
          for (float& g : values(t)) g *= 2;
        },
        gradient);
  });
  const StepReport expected = plain.step(), found = reduced.step();
  EXPECT_EQ(found.loss, 2 * expected.loss);
  EXPECT_EQ(found.gradient_norm, 2 * expected.gradient_norm);
  EXPECT_EQ(seen, expected.gradient_norm);

  const ModelParams<float> before = reduced.model().params();
  reduced.reduce_with([](double&, ModelParams<float>&) { throw std::runtime_error("the other machine is gone"); });
  EXPECT_THROW(reduced.step(), std::runtime_error);
  EXPECT_TRUE(same_bits(reduced.model().params(), before));
}

}  // namespace
}  // namespace ttt::support
