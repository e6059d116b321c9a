// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts of the PCIe controller, over one made of memory: every kind brings it up and wakes the
 * owners of its queues, and no wake-up is lost, whatever comes between looking and sleeping.
 */
#include "tests/unit/pcie_rig.h"

#include <poll.h>
#include <sched.h>

#include "common/clock.h"

enum {
	LOST_MS = 10000, /* a sleep this long is one that nothing ended */
	STRESS_IOS = 20000,
};

static struct pcie_queue *ring(uint16_t index)
{
	return rig.ctrl->ioq[index].tr;
}

static struct pcie *pcie(void)
{
	return rig.ctrl->tr;
}

/* ---- an owner in a thread of its own ---- */

struct owner {
	pthread_t thread;
	struct nvmh_queue *q;
	unsigned int ios;   /* to do, one after the other */
	unsigned int spins; /* polls between two looks at whether to sleep: changes */
	unsigned int sleeps;
	unsigned int lost;
	atomic_bool ended;
};

static void sleep_once(struct owner *o)
{
	struct pollfd pfd = { .fd = nvmh_queue_fd(o->q), .events = POLLIN };

	o->sleeps++;
	o->lost += poll(&pfd, 1, LOST_MS) == 0;
}

static void *own(void *arg)
{
	struct owner *o = arg;
	struct nvmh_req req;
	struct iovec iov;
	unsigned int done;
	unsigned int n;
	unsigned int i;

	for (n = 0; n < o->ios && !o->lost; n++) {
		done = 0;
		if (rig_read(o->q, &req, &iov, rig.arena + (size_t)o->q->qid * 4096, &done))
			break;
		nvmh_queue_commit(o->q);
		while (!done && !o->lost) {
			/* long polling at times, so that the vector is masked, and none at times */
			for (i = 0; i < n / 64 % 2 * o->spins && !done; i++) {
				/* the drive may need this processor */
				if (!nvmh_queue_poll(o->q) && i % 256 == 255)
					sched_yield();
			}
			if (!done && !nvmh_queue_poll(o->q) && !nvmh_queue_arm(o->q))
				sleep_once(o);
		}
	}
	nvmh_queue_release(o->q);
	atomic_store(&o->ended, true);
	return NULL;
}

/* Owners of @nr queues at work, and the controller's thread, which does nothing of its own accord. */
static void run_owners(uint16_t nr, unsigned int ios, unsigned int *sleeps)
{
	struct pollfd pfd = { .fd = nvmh_ctrl_fd(rig.ctrl), .events = POLLIN };
	struct owner owners[8] = { 0 };
	unsigned int ended;
	uint16_t i;

	assert_true(nr <= ARRAY_SIZE(owners));
	for (i = 0; i < nr; i++) {
		owners[i].q = nvmh_ctrl_queue(rig.ctrl, i);
		owners[i].ios = ios;
		owners[i].spins = 100000;
		nvmh_queue_release(owners[i].q);
		assert_int_equal(pthread_create(&owners[i].thread, NULL, own, &owners[i]), 0);
	}
	do {
		/* no tick: it would wake up whom an interrupt did not */
		rig.ctrl->tick_ns = UINT64_MAX;
		if (poll(&pfd, 1, 50) > 0)
			nvmh_ctrl_process(rig.ctrl);
		for (i = ended = 0; i < nr; i++)
			ended += atomic_load(&owners[i].ended);
	} while (ended < nr);
	rig.ctrl->tick_ns = 0;
	for (i = 0, *sleeps = 0; i < nr; i++) {
		pthread_join(owners[i].thread, NULL);
		assert_int_equal(owners[i].lost, 0);
		*sleeps += owners[i].sleeps;
	}
}

/* ---- kinds ---- */

static void test_msix_each_queue_has_its_vector(void **state)
{
	(void)state;
	rig_live(3, 0);
	assert_int_equal(pcie()->irq, NVMH_IRQ_MSIX);
	assert_int_equal(pcie()->nr_vectors, 4);
	for (uint16_t i = 0; i < 3; i++) {
		assert_true(rig.drive->cq[i + 1].ien);
		assert_int_equal(rig.drive->cq[i + 1].vector, i + 1);
		assert_int_equal(rig.drive->fds[i + 1], nvmh_queue_fd(&rig.ctrl->ioq[i]));
		assert_false(ring(i)->shares);
	}
}

static void test_too_few_vectors_the_others_share_the_first(void **state)
{
	(void)state;
	rig.drive->nr_vectors = 3;
	rig_live(4, 0);
	assert_int_equal(rig.drive->cq[1].vector, 1);
	assert_int_equal(rig.drive->cq[2].vector, 2);
	for (uint16_t qid = 3; qid <= 4; qid++) {
		assert_true(rig.drive->cq[qid].ien);
		assert_int_equal(rig.drive->cq[qid].vector, 0);
		assert_true(ring((uint16_t)(qid - 1))->shares);
	}
}

/* Four owners sleep and are woken up, by a kind of interrupt and a number of vectors. */
static void wakes(enum nvmh_irq kind, uint32_t vectors, unsigned int ios)
{
	unsigned int sleeps;

	rig.drive->irq_best = kind;
	rig.drive->nr_vectors = vectors;
	rig_start();
	rig_open(4, 0);
	assert_int_equal(nvmh_ctrl_wait(rig.ctrl, 60000), 0);
	assert_int_equal(pcie()->irq, kind);
	run_owners(4, ios, &sleeps);
	assert_int_not_equal(sleeps, 0);
	/* and the admin queue */
	assert_int_equal(nvmh_identify(rig.ctrl, 0, NVME_IDENTIFY_CNS_CTRL, 0, rig.arena), 0);
	assert_int_equal(atomic_load(&rig.drive->faults), 0);
}

static void test_msix_wakes(void **state)
{
	(void)state;
	wakes(NVMH_IRQ_MSIX, 65, STRESS_IOS);
	/* both ways of its owner were taken: polling for long, and sleeping */
	assert_int_not_equal(atomic_load(&rig.drive->masks), 0);
	assert_int_not_equal(atomic_load(&rig.drive->unmasks), 0);
}

static void test_msix_too_few_vectors_wakes(void **state)
{
	(void)state;
	wakes(NVMH_IRQ_MSIX, 3, STRESS_IOS);
}

static void test_msi_wakes(void **state)
{
	(void)state;
	wakes(NVMH_IRQ_MSI, 8, STRESS_IOS / 4);
	assert_int_equal(atomic_load(&rig.drive->masks), 0);
}

static void test_one_msi_wakes(void **state)
{
	(void)state;
	wakes(NVMH_IRQ_MSI, 1, STRESS_IOS / 4);
}

static void test_intx_wakes(void **state)
{
	(void)state;
	wakes(NVMH_IRQ_INTX, 1, STRESS_IOS / 4);
	assert_int_not_equal(atomic_load(&rig.drive->unmasks), 0);
}

static void test_no_interrupt_the_timer_wakes(void **state)
{
	uint64_t start = clock_now_ms();

	(void)state;
	wakes(NVMH_IRQ_NONE, 0, 200);
	assert_int_equal(atomic_load(&rig.drive->interrupts), 0);
	for (uint16_t qid = 1; qid <= 4; qid++)
		assert_false(rig.drive->cq[qid].ien);
	/* a second would be the tick's doing, not the timer's */
	assert_true(clock_now_ms() - start < 60000);
}

static void test_no_interrupt_and_nothing_outstanding_no_timer(void **state)
{
	struct nvmh_queue *q;

	(void)state;
	rig.drive->irq_best = NVMH_IRQ_NONE;
	rig_live(1, 0);
	for (unsigned int i = 0; i < 1000 && atomic_load(&pcie()->timer_on); i++) {
		rig_turn();
		poll(NULL, 0, 1);
	}
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	assert_int_equal(nvmh_queue_arm(q), 0); /* it may sleep */
	assert_false(atomic_load(&pcie()->timer_on));
	hold_one();
	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_true(atomic_load(&pcie()->timer_on));
}

/* ---- masking ---- */

static unsigned int nr_done;
static struct nvmh_req one_req;
static struct iovec one_iov;

/* One read, found by polling. */
static void io(struct nvmh_queue *q)
{
	unsigned int before = nr_done;

	assert_int_equal(rig_read(q, &one_req, &one_iov, rig.arena, &nr_done), 0);
	nvmh_queue_commit(q);
	fake_pcie_step(rig.drive);
	nvmh_queue_poll(q);
	assert_int_equal(nr_done, before + 1);
}

static bool readable(const struct nvmh_queue *q)
{
	struct pollfd pfd = { .fd = q->event_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void test_owner_that_polls_has_its_vector_masked(void **state)
{
	unsigned int before;
	struct nvmh_queue *q;
	int i;

	(void)state;
	rig_live(2, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	for (i = 0; i < 100; i++)
		io(q);
	assert_int_equal(atomic_load(&rig.drive->masks), 1);
	assert_true(rig.drive->masked[1]);
	assert_false(rig.drive->masked[0] || rig.drive->masked[2]);
	before = atomic_load(&rig.drive->interrupts);
	for (i = 0; i < 100; i++)
		io(q);
	assert_int_equal(atomic_load(&rig.drive->interrupts), before);
	assert_int_equal(atomic_load(&rig.drive->masks), 1); /* one store for all of them */
}

static void test_owner_that_sleeps_often_is_never_masked(void **state)
{
	struct nvmh_queue *q;
	int i;

	(void)state;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	for (i = 0; i < 200; i++) {
		io(q);
		assert_int_equal(nvmh_queue_arm(q), 0);
	}
	assert_int_equal(atomic_load(&rig.drive->masks), 0);
	assert_int_equal(atomic_load(&rig.drive->unmasks), 0);
}

static void until_masked(struct nvmh_queue *q)
{
	while (!ring(0)->masked)
		io(q);
	fake_pcie_step(rig.drive);
}

static void test_what_came_while_masked_wakes_or_is_seen(void **state)
{
	struct nvmh_queue *q;

	(void)state;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	until_masked(q);
	hold_one();
	assert_int_equal(fake_pcie_release(rig.drive, 1, false), 1); /* comes while masked */
	assert_int_equal(nvmh_queue_arm(q), 1);
	assert_false(rig.drive->masked[1]);
	assert_int_equal(nvmh_queue_poll(q), 1);
}

static void complete_silently(struct fake_pcie *f)
{
	atomic_store(&f->no_interrupts, true);
	assert_int_equal(fake_pcie_release(f, 1, false), 1);
	atomic_store(&f->no_interrupts, false);
}

/* The last look is after the unmasking, even where a device forgets what came while it was masked. */
static void test_what_comes_while_arming_is_seen(void **state)
{
	struct nvmh_queue *q;

	(void)state;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	until_masked(q);
	hold_one();
	rig.drive->on_unmask = complete_silently;
	assert_int_equal(nvmh_queue_arm(q), 1);
	rig.drive->on_unmask = NULL;
	assert_int_equal(nvmh_queue_poll(q), 1);
}

/* The owner goes to sleep while the PCI function is being reset: on hardware it would stand still. */
static void arm_in_reset(struct fake_pcie *f)
{
	struct nvmh_queue *q = nvmh_ctrl_queue(rig.ctrl, 0);
	unsigned int before = atomic_load(&f->unmasks);

	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_int_equal(atomic_load(&f->unmasks), before);
	atomic_store(&f->never_idle, false);
	nr_done++;
}

static void arms_during_a_reset(enum nvmh_irq kind)
{
	struct nvmh_queue *q;
	unsigned int before;

	rig.drive->irq_best = kind;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	if (kind == NVMH_IRQ_MSIX)
		until_masked(q);
	before = nr_done;
	rig.drive->on_reset = arm_in_reset;
	atomic_store(&rig.drive->never_idle, true);
	if (kind == NVMH_IRQ_INTX)
		atomic_store(&pcie()->intx_masked, true);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	for (unsigned int i = 0; i < RIG_TURNS && nr_done == before; i++) {
		rig_turn();
		rig_hurry();
	}
	assert_int_equal(nr_done, before + 1);
	rig.drive->on_reset = NULL;
	assert_true(rig_until_state(NVMH_LIVE));
	/* made anew, it interrupts again */
	hold_one();
	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_int_equal(fake_pcie_release(rig.drive, 1, false), 1);
	if (kind == NVMH_IRQ_MSIX)
		assert_true(readable(q));
	assert_int_equal(nvmh_queue_poll(q), 1);
}

static void test_no_unmasking_while_the_function_is_reset(void **state)
{
	(void)state;
	arms_during_a_reset(NVMH_IRQ_MSIX);
}

static void test_no_unmasking_of_intx_while_the_function_is_reset(void **state)
{
	(void)state;
	arms_during_a_reset(NVMH_IRQ_INTX);
}

static void test_what_comes_after_arming_wakes(void **state)
{
	struct nvmh_queue *q;

	(void)state;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	until_masked(q);
	hold_one();
	/* what was found by polling still interrupts once; the second sleep is a real one */
	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_int_equal(nvmh_queue_poll(q), 0);
	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_false(readable(q));
	assert_int_equal(fake_pcie_release(rig.drive, 1, false), 1);
	assert_true(readable(q));
	assert_int_equal(nvmh_queue_poll(q), 1);
}

static void test_reset_unmasks(void **state)
{
	struct nvmh_queue *q;

	(void)state;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	until_masked(q);
	assert_int_equal(nvmh_ctrl_reset(rig.ctrl), 0);
	assert_true(rig_until_state(NVMH_LIVE));
	assert_false(rig.drive->masked[1]);
	hold_one();
	assert_int_equal(nvmh_queue_arm(q), 0);
	fake_pcie_release(rig.drive, 1, false);
	assert_true(readable(q));
}

static void test_vector_that_cannot_be_masked_is_lived_with(void **state)
{
	struct nvmh_queue *q;
	int i;

	(void)state;
	rig.drive->cannot_mask = true;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	for (i = 0; i < 100; i++)
		io(q);
	assert_false(ring(0)->masked);
	hold_one();
	assert_int_equal(nvmh_queue_arm(q), 0);
	fake_pcie_release(rig.drive, 1, false);
	assert_true(readable(q));
}

/* ---- INTx ---- */

static void test_intx_is_unmasked_by_the_owner_that_sleeps(void **state)
{
	struct nvmh_queue *q;

	(void)state;
	rig.drive->irq_best = NVMH_IRQ_INTX;
	rig_live(1, 0);
	q = nvmh_ctrl_queue(rig.ctrl, 0);
	nvmh_ctrl_process(rig.ctrl);
	hold_one();
	assert_int_equal(nvmh_queue_arm(q), 0);
	fake_pcie_release(rig.drive, 1, false);
	assert_true(rig.drive->intx_masked);
	assert_false(readable(q)); /* it is not its own */
	nvmh_ctrl_process(rig.ctrl);
	assert_true(readable(q));
	/* masked until somebody sleeps: what is in the ring would bring it again and again */
	assert_true(rig.drive->intx_masked);
	assert_int_equal(nvmh_queue_poll(q), 1);
	hold_one();
	assert_int_equal(nvmh_queue_arm(q), 0);
	assert_false(rig.drive->intx_masked);
}

#define rigged(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rigged(test_msix_each_queue_has_its_vector),
		rigged(test_too_few_vectors_the_others_share_the_first),
		rigged(test_msix_wakes),
		rigged(test_msix_too_few_vectors_wakes),
		rigged(test_msi_wakes),
		rigged(test_one_msi_wakes),
		rigged(test_intx_wakes),
		rigged(test_no_interrupt_the_timer_wakes),
		rigged(test_no_interrupt_and_nothing_outstanding_no_timer),
		rigged(test_owner_that_polls_has_its_vector_masked),
		rigged(test_owner_that_sleeps_often_is_never_masked),
		rigged(test_what_came_while_masked_wakes_or_is_seen),
		rigged(test_what_comes_while_arming_is_seen),
		rigged(test_what_comes_after_arming_wakes),
		rigged(test_no_unmasking_while_the_function_is_reset),
		rigged(test_no_unmasking_of_intx_while_the_function_is_reset),
		rigged(test_reset_unmasks),
		rigged(test_vector_that_cannot_be_masked_is_lived_with),
		rigged(test_intx_is_unmasked_by_the_owner_that_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
