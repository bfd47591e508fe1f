// SPDX-License-Identifier: MIT
// After the first call on a shape nothing is allocated: this program counts every call of operator new and of malloc.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "support/laws.hpp"
#include "support/model_problem.hpp"
#include "ttt/generate.hpp"

namespace {

std::atomic<bool> counting = false;
std::atomic<long> allocations = 0;

void note() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

// Sanitizers bring an allocator of their own, which is left in place; operator new is counted there too.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TTT_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TTT_TEST_SANITIZED
#endif
#endif

#if defined(__GLIBC__) && !defined(TTT_TEST_SANITIZED)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t n) {
  note();
  return __libc_malloc(n);
}
void* calloc(std::size_t count, std::size_t n) {
  note();
  return __libc_calloc(count, n);
}
void* realloc(void* p, std::size_t n) {
  note();
  return __libc_realloc(p, n);
}
void* memalign(std::size_t alignment, std::size_t n) {
  note();
  return __libc_memalign(alignment, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  note();
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t n) {
  note();
  *p = __libc_memalign(alignment, n);
  return *p == nullptr ? 12 : 0;  // ENOMEM
}
}
#endif

void* operator new(std::size_t n) {
  note();
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, std::align_val_t alignment) {
  note();
  const auto a = static_cast<std::size_t>(alignment);
  if (void* p = std::aligned_alloc(a, (n + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
// Inlined where operator new is not, free would look like a mistake to the compiler.
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace ttt::support {
namespace {

/// Allocations of all threads while `call` runs.
template <class F>
long count_allocations(const F& call) {
  allocations = 0;
  counting = true;
  call();
  counting = false;
  return allocations;
}

/// `call` with the numbers of threads that matter: none allocates once it has run with that number.
template <class F>
void expect_no_allocation(const F& call) {
  for (const Index n : {1, 2}) {
    const Threads with(n);
    call();
    for (int repeat = 0; repeat < 2; ++repeat) {
      EXPECT_EQ(count_allocations(call), 0) << n << " threads, call " << repeat + 2;
    }
  }
}

TEST(Allocation, IsCounted) {
  EXPECT_EQ(count_allocations([] {}), 0);
  EXPECT_GE(count_allocations([] { Tensor<float, 1> t({100}); }), 1);
  EXPECT_GE(count_allocations([] { ::operator delete(::operator new(8)); }), 1);
#if defined(__GLIBC__) && !defined(TTT_TEST_SANITIZED)
  for (void* (*allocate)() : {+[] { return std::malloc(8); }, +[] { return std::calloc(1, 8); },
                              +[] { return std::aligned_alloc(64, 64); }}) {
    void* volatile p = nullptr;
    EXPECT_EQ(count_allocations([&] { p = allocate(); }), 1);
    std::free(p);
  }
#endif
}

template <class M>
class LayerAllocation : public testing::Test {
 protected:
  Rng rng{9};
};

// Wide enough that loops are worth several threads.
TttConfig wide_config() {
  TttConfig config = full_config();
  config.hidden_size = 96;
  return config;
}

using Models = testing::Types<inner::Linear<float>, inner::Mlp<float>, inner::Linear<double>>;
TYPED_TEST_SUITE(LayerAllocation, Models);

TYPED_TEST(LayerAllocation, NoneInForwardAndStreaming) {
  using T = typename TypeParam::Scalar;
  const auto layer = random_ttt<TypeParam>(wide_config(), this->rng);
  for (const Index time : {1, 40, 270}) {
    const Tensor<T, 3> x = normal<T, 3>({2, time, 96}, this->rng);
    Tensor<T, 3> y(x.shape());
    auto state = layer.start(2);
    Workspace work;
    expect_no_allocation([&] { layer.forward(x, state, work, y); });
  }
}

TYPED_TEST(LayerAllocation, NoneForTelemetry) {
  using T = typename TypeParam::Scalar;
  const auto layer = random_ttt<TypeParam>(wide_config(), this->rng);
  for (const Index time : {1, 40, 270}) {
    const Tensor<T, 3> x = normal<T, 3>({2, time, 96}, this->rng);
    Tensor<T, 3> y(x.shape());
    auto state = layer.start(2);
    TttTape<TypeParam> tape;
    Workspace work;
    InnerLosses<T> losses;
    expect_no_allocation([&] { layer.forward(x, state, work, y, {.losses = &losses}); });
    expect_no_allocation([&] { layer.forward(x, state, tape, work, y, {.losses = &losses}); });
  }
}

TYPED_TEST(LayerAllocation, NoneWhenShapesAlternate) {
  using T = typename TypeParam::Scalar;
  const auto layer = random_ttt<TypeParam>(wide_config(), this->rng);
  const Tensor<T, 3> prompt = normal<T, 3>({1, 40, 96}, this->rng), token = normal<T, 3>({1, 1, 96}, this->rng);
  Tensor<T, 3> y_prompt(prompt.shape()), y_token(token.shape());
  auto state = layer.start(1);
  Workspace work;
  expect_no_allocation([&] {
    layer.forward(prompt, state, work, y_prompt);
    for (int i = 0; i < 3; ++i) layer.forward(token, state, work, y_token);
  });
}

TYPED_TEST(LayerAllocation, NoneInTraining) {
  using T = typename TypeParam::Scalar;
  const auto layer = random_ttt<TypeParam>(wide_config(), this->rng);
  const Tensor<T, 3> x = normal<T, 3>({2, 50, 96}, this->rng);
  Tensor<T, 3> y(x.shape()), dx(x.shape());
  auto state = layer.start(2), d_state = layer.zeros(2);
  auto d_params = TttParams<TypeParam>::zeros(wide_config());
  TttTape<TypeParam> tape;
  Workspace work;
  expect_no_allocation([&] {
    layer.forward(x, state, tape, work, y);
    layer.backward(tape, y, d_state, work, dx, d_params);
    layer.start_vjp(d_state, work, d_params);
  });
}

// Shapes are long as text, which only a message may need.
TEST(ModelAllocation, NoneForChecksThatHold) {
  Rng rng(12);
  const auto layer = random_ttt<inner::Linear<float>>(full_config(), rng);
  const Index long_time = 1000000000000;
  const View<const float, 3> x(nullptr, {0, long_time, 18});
  const View<float, 3> y(nullptr, {0, long_time, 18});
  auto state = layer.start(0);
  Workspace work;
  expect_no_allocation([&] { layer.forward(x, state, work, y); });

  const Model model = random_model<float>(small_model(SequenceType::linear, true), rng);
  const View<const Token, 2> tokens(nullptr, {0, long_time});
  const View<float, 3> logits(nullptr, {0, long_time, 29});
  auto model_state = model.start(0);
  expect_no_allocation([&] { model.forward(tokens, model_state, work, logits); });
}

TEST(ModelAllocation, NoneInStreaming) {
  Rng rng(10);
  for (ModelConfig config : small_ttt_models()) {
    config.hidden_size = 96;
    config.vocab_size = 300;
    const Model model = random_model<float>(config, rng);
    for (const Index time : {1, 70}) {
      const Tensor<Token, 2> tokens = random_tokens(2, time, 300, rng);
      Tensor<float, 2> last({2, 300});
      Tensor<float, 3> logits({2, time, 300});
      auto state = model.start(2);
      Workspace work;
      expect_no_allocation([&] { model.forward_last(tokens, state, work, last); });
      expect_no_allocation([&] { model.forward(tokens, state, work, logits); });
    }
  }
}

TEST(ModelAllocation, NoneForTelemetryHiddenStatesAndTokenLosses) {
  Rng rng(13);
  for (ModelConfig config : small_ttt_models()) {
    config.hidden_size = 96;
    config.vocab_size = 300;
    const Model model = random_model<float>(config, rng);
    for (const Index time : {1, 70}) {
      const Tensor<Token, 2> tokens = random_tokens(2, time, 300, rng), targets = random_tokens(2, time, 300, rng);
      Tensor<float, 2> token_losses(tokens.shape());
      auto state = model.start(2);
      Workspace work;
      std::vector<InnerLosses<float>> losses;
      std::vector<Tensor<float, 3>> hidden;
      expect_no_allocation([&] {
        model.token_losses(tokens, targets, state, work, token_losses, {.losses = &losses, .hidden = &hidden});
      });
    }
  }
}

TEST(GeneratorAllocation, NoneInNext) {
  Rng rng(14);
  const std::vector<Token> prompt = {3, 1, 4};
  for (ModelConfig config : small_ttt_models()) {
    config.hidden_size = 96;
    config.vocab_size = 300;
    const Model model = random_model<float>(config, rng);
    for (const SamplerConfig& sampler : {SamplerConfig{}, SamplerConfig{.temperature = 0},
                                         SamplerConfig{.temperature = 0.8, .top_k = 20, .top_p = 0.9}}) {
      Generator generate(model, sampler, {.ignore_eos = true});
      generate.read(prompt);
      expect_no_allocation([&] { generate.next(); });
    }
  }
}

// Attention takes a page every 64 tokens until it has a window's worth of them.
TEST(ModelAllocation, NoneInStreamingOnceAWindowIsFull) {
  Rng rng(12);
  const Model model = random_model<float>(small_hybrid(true), rng);
  const Tensor<Token, 2> prompt = random_tokens(2, 300, 29, rng), tokens = random_tokens(2, 30, 29, rng);
  Tensor<float, 2> last({2, 29});
  auto state = model.start(2);
  Workspace work;
  model.forward_last(prompt, state, work, last);
  expect_no_allocation([&] { model.forward_last(tokens, state, work, last); });
}

// As `Trainer` does it: every step begins with fresh streams.
TEST(ModelAllocation, NoneInTrainingHybrids) {
  Rng rng(15);
  for (const ModelConfig& config : {small_model(SequenceType::attention, false), small_hybrid(true)}) {
    const Model model = random_model<float>(config, rng);
    const Tensor<Token, 2> tokens = random_tokens(2, 70, 29, rng), targets = random_tokens(2, 70, 29, rng);
    auto state = model.start(2), d_state = model.zeros(2);
    auto gradient = ModelParams<float>::zeros(model.config());
    ModelTape<float> tape;
    Workspace work;
    expect_no_allocation([&] {
      for (ModelStream<float>& stream : state.streams) model.reset(stream);
      for (ModelStream<float>& stream : d_state.streams) set_zero_stream(stream);
      model.forward_loss(tokens, targets, state, tape, work, gradient);
      model.backward(tape, d_state, work, gradient);
      model.start_vjp(d_state, work, gradient);
    });
  }
}

TEST(ModelAllocation, NoneInTraining) {
  Rng rng(11);
  for (ModelConfig config : small_ttt_models()) {
    config.hidden_size = 96;
    const Model model = random_model<float>(config, rng);
    const Tensor<Token, 2> tokens = random_tokens(2, 70, 29, rng), targets = random_tokens(2, 70, 29, rng);
    auto state = model.start(2), d_state = model.zeros(2);
    auto gradient = ModelParams<float>::zeros(model.config());
    ModelTape<float> tape;
    Workspace work;
    expect_no_allocation([&] {
      model.forward_loss(tokens, targets, state, tape, work, gradient);
      model.backward(tape, d_state, work, gradient);
      model.start_vjp(d_state, work, gradient);
    });
  }
}

}  // namespace
}  // namespace ttt::support
